import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstanceConfig } from '@gantry/shared/config';
import { createLogger } from '@gantry/shared/logging';
import type { BlobStore } from '../blobs/blob-store';
import type { ExportImages } from '../export/export-images';
import { DataServer } from './data-server';

describe('DataServer', () => {
  const directory = mkdtempSync(join(tmpdir(), 'data-server-'));
  const socketPath = join(directory, 'data.sock');
  let partial: string;
  const blobs = {
    uploadPath: (id: string) => join(directory, `upload-${id}`),
    ownPath: () => partial,
  } as unknown as BlobStore;
  const server = new DataServer(
    { addresses: { imageData: `unix://${socketPath}` } } as InstanceConfig,
    blobs,
    {} as ExportImages,
    createLogger('spec', 'silent'),
  );

  beforeAll(() => server.onApplicationBootstrap());
  afterAll(async () => {
    await server.onApplicationShutdown();
    rmSync(directory, { recursive: true });
  });
  beforeEach(() => {
    partial = join(directory, 'partial');
  });

  /** The answer to an upload of so many bytes, which is complete before the last of them is sent where `stalls`. */
  const upload = (bytes: number, stalls = false): Promise<{ status?: number; text: string }> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-length': bytes };
      const sent = request({ socketPath, method: 'PUT', path: '/uploads/one', headers, agent: false });
      sent.on('error', reject);
      sent.on('response', (response: IncomingMessage) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => {
          resolve({ status: response.statusCode, text });
          sent.destroy();
        });
      });
      sent.write(Buffer.alloc(bytes - (stalls ? 1 : 0)));
      if (!stalls) sent.end();
    });

  it('keeps what comes under its name', async () => {
    await expect(upload(3_000_000)).resolves.toEqual({ status: 201, text: '' });
    expect(readdirSync(directory)).toEqual(expect.arrayContaining(['upload-one']));
  });

  it.each([
    ['a small', 1_000, false],
    ['a large', 5_000_000, false],
    ['an unfinished', 5_000_000, true],
  ])('says on the connection what is wrong with %s upload', async (_size, bytes, stalls) => {
    partial = join(directory, 'nowhere', 'partial');
    const answer = await upload(bytes, stalls);
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text)).toMatchObject({
      kind: 'Internal',
      message: expect.any(String) as string,
    });
  });
});
