/** What the options of ovs-pki(8) say. */

export interface Settings {
  keyType: 'rsa' | 'dsa';
  bits: number;
  dsaparam: string | undefined;
  batch: boolean;
  /** Absolute. */
  directory: string;
  force: boolean;
  log: string;
  unique: boolean;
}

export type CertificateType = 'switch' | 'controller';

/** Where DSA parameters are. */
export function dsaparamFile({ dsaparam, directory }: Settings): string {
  return dsaparam ?? `${directory}/dsaparam.pem`;
}
