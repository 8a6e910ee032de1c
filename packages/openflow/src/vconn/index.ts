export { type Received, VconnClient, type VconnClientOptions, VconnError } from './client.ts';
export { Framer } from './framer.ts';
export { OFP_PORT, Vconn, type VconnEvents, type VconnOptions } from './vconn.ts';
export { parseVersions } from './versions.ts';
