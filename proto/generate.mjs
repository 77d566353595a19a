// Turns gantry/**/*.proto into src/generated/**/*.ts with protoc and ts-proto.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const bin = join(here, '..', 'node_modules', '.bin');
const out = join(here, 'src', 'generated');
const options = [
  'outputServices=grpc-js',
  'env=node',
  'esModuleInterop=true',
  'forceLong=number',
  'oneof=unions-value',
  'outputJsonMethods=false',
  'exportCommonSymbols=false',
  'useOptionals=none',
];

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const protos = readdirSync(join(here, 'gantry'), { recursive: true })
  .filter((file) => file.endsWith('.proto'))
  .map((file) => join('gantry', file));
execFileSync(
  join(bin, 'protoc'),
  [
    `--plugin=protoc-gen-ts_proto=${join(bin, 'protoc-gen-ts_proto')}`,
    `--ts_proto_out=${out}`,
    `--ts_proto_opt=${options.join(',')}`,
    ...protos,
  ],
  { cwd: here, stdio: 'inherit' },
);
