// A self-signed certificate for TLS, for a daemon without a configured one. Clients trust it by its
// fingerprint.
import { createHash, type webcrypto as WebCrypto, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

const VALID_DAYS = 3650;
const DAY_MS = 86_400_000;
/** Clients whose clock is a little slow must accept the certificate at once. */
const CLOCK_SKEW_MS = 3_600_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export interface CertificateAndKey {
  readonly cert: string;
  readonly key: string;
}

/**
 * X.509 version 3, P-256, valid for ten years.
 * @param names DNS names and IP addresses; the first is the subject
 * @returns both in PEM, the key as PKCS #8
 */
export async function makeSelfSigned(names: readonly string[], nowMs: number = Date.now()): Promise<CertificateAndKey> {
  // Loaded here: only a daemon that makes a certificate needs them. The library expects the
  // polyfill first.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);
  const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as WebCrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [names[0]!] }],
    notBefore: new Date(nowMs - CLOCK_SKEW_MS),
    notAfter: new Date(nowMs + VALID_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }))),
      // Critical, and no authority: it may sign nothing else.
      new x509.BasicConstraintsExtension(false, undefined, true),
    ],
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return { cert: `${certificate.toString('pem')}\n`, key: pem('PRIVATE KEY', key) };
}

/** SHA-256 as "AB:CD:...", the form in which clients show it. */
export function fingerprint(cert: string): string {
  const der = Buffer.from(cert.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  return createHash('sha256').update(der).digest('hex').toUpperCase().match(/../g)!.join(':');
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
