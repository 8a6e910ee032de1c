/** The help text of the options that every command which may speak TLS has. */

export const PKI_USAGE = `PKI configuration (required to use SSL):
  -p, --private-key=FILE  file with private key
  -c, --certificate=FILE  file with certificate for private key
  -C, --ca-cert=FILE      file with peer CA certificate
`;

/** Of the commands that also take a CA on trust and choose protocols. */
export const TLS_USAGE = `${PKI_USAGE}  --bootstrap-ca-cert=FILE  file with peer CA certificate to read or create
SSL options:
  --ssl-protocols=PROTOS  list of SSL protocols to enable
  --ssl-ciphers=CIPHERS   list of SSL ciphers to enable
`;
