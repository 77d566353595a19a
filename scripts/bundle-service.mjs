// Bundles one service (the package in the working directory) into dist/: one file for the process and one for each
// worker thread. One file starts in half the time of a module tree and costs less memory.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const workers = readdirSync('dist/tsc', { recursive: true }).filter((file) => file.endsWith('.worker.js'));

await build({
  entryPoints: ['dist/tsc/main.js', ...workers.map((f) => join('dist/tsc', f))],
  entryNames: '[name]',
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minifyWhitespace: true,
  keepNames: true,
  // koffi is a native module; the others are optional requires of Nest that no service uses.
  external: [
    'koffi',
    '@nestjs/microservices',
    '@nestjs/microservices/*',
    '@nestjs/websockets',
    '@nestjs/websockets/*',
    'class-validator',
    'class-transformer',
    'pg-native',
  ],
  logLevel: 'warning',
});
