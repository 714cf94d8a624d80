/** RFC 5656 §6.2.1, §10.1: the curves, and the hash that goes with each. */
export type Curve = {
  name: string;
  jwk: 'P-256' | 'P-384' | 'P-521';
  hash: 'sha256' | 'sha384' | 'sha512';
  size: number;
};

const NISTP256: Curve = { name: 'nistp256', jwk: 'P-256', hash: 'sha256', size: 32 };
const NISTP384: Curve = { name: 'nistp384', jwk: 'P-384', hash: 'sha384', size: 48 };
const NISTP521: Curve = { name: 'nistp521', jwk: 'P-521', hash: 'sha512', size: 66 };

export type KeyType =
  | { name: string; family: 'ed25519'; securityKey: boolean }
  | { name: string; family: 'ecdsa'; curve: Curve; securityKey: boolean }
  | { name: string; family: 'rsa' };

/** Every key type we read. What is not here is refused: DSA, webauthn, whatever comes next. */
export const KEY_TYPES: ReadonlyMap<string, KeyType> = byName([
  { name: 'ssh-ed25519', family: 'ed25519', securityKey: false },
  { name: 'ecdsa-sha2-nistp256', family: 'ecdsa', curve: NISTP256, securityKey: false },
  { name: 'ecdsa-sha2-nistp384', family: 'ecdsa', curve: NISTP384, securityKey: false },
  { name: 'ecdsa-sha2-nistp521', family: 'ecdsa', curve: NISTP521, securityKey: false },
  { name: 'ssh-rsa', family: 'rsa' },
  { name: 'sk-ssh-ed25519@openssh.com', family: 'ed25519', securityKey: true },
  { name: 'sk-ecdsa-sha2-nistp256@openssh.com', family: 'ecdsa', curve: NISTP256, securityKey: true },
]);

function byName(types: readonly KeyType[]): ReadonlyMap<string, KeyType> {
  return new Map(types.map((type) => [type.name, type]));
}

/** RFC 8332 §3: an RSA key signs with SHA-2 only; its own name would mean SHA-1. */
export function signatureAlgorithmsOf(type: string): readonly string[] {
  return type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type];
}

export function rsaHashOf(algorithm: string): 'sha256' | 'sha512' {
  return algorithm === 'rsa-sha2-512' ? 'sha512' : 'sha256';
}

/** Below: factorable. Above: each verification becomes an attack on our CPU, and nobody needs it. */
export const MIN_RSA_BITS = 2048;
export const MAX_RSA_BITS = 8192;

/** Behind the name of a key type or algorithm: the certificate of one (OpenSSH PROTOCOL.certkeys). */
const CERTIFICATE_SUFFIX = '-cert-v01@openssh.com';

const certificateName = (name: string): string => `${name.replace(/@openssh\.com$/, '')}${CERTIFICATE_SUFFIX}`;

/** The key type that a certificate type certifies; undefined for what is no certificate that we read. */
export const CERTIFIED_TYPES: ReadonlyMap<string, string> = new Map(
  [...KEY_TYPES.keys()].map((type) => [certificateName(type), type]),
);

/** The algorithms by which certificates of these keys log in, each with the signature that it stands for. */
export function certificateAlgorithms(algorithms: readonly string[]): ReadonlyMap<string, string> {
  return new Map(algorithms.map((algorithm) => [certificateName(algorithm), algorithm]));
}
