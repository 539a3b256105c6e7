// Certificate and key of `xennuma serve`: read and checked before the daemon listens, or generated.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { InputError } from '../../base/errors.js';
import { FILE_CALLS } from '../../base/file-calls.js';
import { checkOwnFile, makeOwnFolder } from '../../base/own-file.js';
import { replaceFile } from '../../base/replace-file.js';
import type { CertificateAndKey } from '../../xapi/http/self-signed.js';
import { makeSelfSigned } from '../../xapi/http/self-signed.js';
import { readInput } from '../input/read-input.js';
import type { ServeSettings } from '../input/serve-config.js';

/**
 * Null when TLS is off. A generated pair is kept in the state folder, so that clients need to trust
 * it only once.
 * @throws InputError for files that no TLS connection can use
 */
export async function readTls({ tls, state }: ServeSettings, address: string): Promise<CertificateAndKey | null> {
  if (tls === null) return null;
  if (tls !== 'generate') return readPair(tls.cert, tls.key);
  const wildcard = address === '0.0.0.0' || address === '::';
  const names = [...new Set([hostname(), 'localhost', '127.0.0.1', '::1', ...(wildcard ? [] : [address])])];
  if (state === null) return makeSelfSigned(names);
  const [cert, key] = [join(state, 'tls-cert.pem'), join(state, 'tls-key.pem')];
  for (const file of [cert, key]) checkOwnFile(file);
  if (!existsSync(cert) || !existsSync(key)) {
    const selfSigned = await makeSelfSigned(names);
    try {
      makeOwnFolder(state);
      replaceFile(key, Buffer.from(selfSigned.key), FILE_CALLS);
      replaceFile(cert, Buffer.from(selfSigned.cert), FILE_CALLS, 0o644);
    } catch (error) {
      if (error instanceof InputError) throw error;
      throw new InputError(
        `the generated certificate cannot be kept: ${(error as Error).message}`,
        { file: state },
        'choose a folder that this user may write',
      );
    }
  }
  return readPair(cert, key);
}

/**
 * Node accepts an empty certificate without an error, and then every handshake fails. So both files
 * are checked here.
 */
function readPair(certFile: string, keyFile: string): CertificateAndKey {
  const pair = { cert: readInput(certFile).text, key: readInput(keyFile).text };
  const certificate = checked(certFile, 'a certificate in PEM', () => new X509Certificate(pair.cert));
  const key = checked(keyFile, 'a private key in PEM, without a passphrase', () => createPrivateKey(pair.key));
  if (!certificate.checkPrivateKey(key)) {
    throw new InputError('the key does not belong to the certificate', { file: keyFile }, `give the key of ${certFile}`);
  }
  checked(certFile, 'a certificate chain that TLS accepts', () => createSecureContext(pair));
  return pair;
}

function checked<T>(file: string, expected: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(
      `expected ${expected}: ${reason}`,
      { file },
      'replace the file; a generated one is created again after both of its files are removed',
    );
  }
}
