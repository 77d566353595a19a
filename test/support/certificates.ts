import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
  /** Paths of PEM files. */
  ca: string;
  cert: string;
  key: string;
}

const openssl = (...args: string[]): void => {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
};
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A CA made on the spot, and a certificate of it for 127.0.0.1 and localhost; of servers as of clients. */
export function makeCertificates(directory: string): Certificates {
  const path = (name: string) => join(directory, name);
  const extensions = path('extensions');
  writeFileSync(
    extensions,
    'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n',
  );
  openssl(
    ...['req', '-x509', ...KEY, '-keyout', path('ca.key'), '-out', path('ca.crt')],
    ...['-subj', '/CN=test CA', '-days', '2'],
  );
  openssl('req', ...KEY, '-keyout', path('tls.key'), '-out', path('tls.csr'), '-subj', '/CN=127.0.0.1');
  openssl(
    ...['x509', '-req', '-in', path('tls.csr'), '-CA', path('ca.crt'), '-CAkey', path('ca.key')],
    ...['-CAcreateserial', '-out', path('tls.crt'), '-days', '2', '-extfile', extensions],
  );
  return { ca: path('ca.crt'), cert: path('tls.crt'), key: path('tls.key') };
}
