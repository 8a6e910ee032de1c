/** Connections to what the command line names. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import {
  formatProtocols,
  OFPUTIL_P_ANY,
  type OfpVersion,
  type Protocols,
  VconnClient,
  versionProtocols,
} from '@heddle/openflow';
import { dirs } from '@heddle/runtime/dirs';
import { HeddleError } from '@heddle/runtime/errors';
import { checkTls } from '../tls/options.ts';
import type { Settings } from './settings.ts';
import { strerrorOf } from './strerror.ts';

const OPENFLOW_10 = 1 << 1;
/** One count for all connections of a run, as the xids that are printed show. */
let xid = 0;

const opened: VconnClient[] = [];

/** A command that fails leaves connections behind, which would keep the process alive. */
export function closeAll(): void {
  for (const vconn of opened.splice(0)) vconn.close();
}

export function nextXid(): number {
  return ++xid;
}

/** What `nextXid` will give. */
export function peekXid(): number {
  return xid + 1;
}

/** OpenFlow 1.0 unless `-O` says otherwise. */
export function allowedVersions(settings: Settings): number {
  return settings.versions ?? OPENFLOW_10;
}

const OPENFLOW_14 = 1 << 5;
const WITH_BUNDLES = (1 << 4) | OPENFLOW_14 | (1 << 6);

/** For bundles: OpenFlow 1.4 unless one of the versions that `-O` names has them. */
export function bundleVersions(versions: number | undefined): number {
  return versions !== undefined && (versions & WITH_BUNDLES) !== 0 ? versions : OPENFLOW_14;
}

/** Formats that versions and `-F` allow. */
export function allowedProtocols(settings: Settings): Protocols {
  return versionsProtocols(allowedVersions(settings)) & settings.protocols;
}

export function versionsProtocols(versions: number): Protocols {
  let all = 0;
  for (let v = 1; v <= 6; v++) {
    if ((versions & (1 << v)) !== 0) all |= versionProtocols(v as OfpVersion);
  }
  return all;
}

/** `OpenFlow10,OpenFlow13` */
export function versionsText(versions: number): string {
  const words: string[] = [];
  for (let v = 1; v < 32; v++) if ((versions & (1 << v)) !== 0) words.push(versionName(v));
  return words.join(', ');
}

export function versionName(version: number): string {
  return `OpenFlow1${version - 1}`;
}

export function checkFlowFormats(settings: Settings): void {
  if (allowedProtocols(settings) !== 0) return;
  throw new HeddleError(
    `None of the enabled OpenFlow versions (${versionsText(allowedVersions(settings))}) supports any of the enabled flow formats (${formatProtocols(settings.protocols)}).  (Use -O to enable additional OpenFlow versions or -F to enable additional flow formats.)`,
  );
}

/**
 * A bridge's name, a socket's path or a connection method. `suffix`: the bridge's `mgmt` or `snoop`
 * socket. `protocols`: only versions of these may be spoken.
 */
export async function openTarget(
  settings: Settings,
  name: string,
  suffix = 'mgmt',
  protocols: Protocols = OFPUTIL_P_ANY,
): Promise<VconnClient> {
  const remote = remoteOf(name, suffix);
  let versions = 0;
  for (let v = 1; v <= 6; v++) {
    const allowed = (allowedVersions(settings) & (1 << v)) !== 0;
    if (allowed && (versionProtocols(v as OfpVersion) & protocols) !== 0) versions |= 1 << v;
  }
  checkTls(remote, settings.tls);
  try {
    const options = { versions, name: remote, nextXid, tls: settings.tls };
    const vconn = await VconnClient.connect(remote, options);
    opened.push(vconn);
    return vconn;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const why = strerrorOf(error);
    if (/protocol error/i.test(why) || why === 'End of file') {
      throw new HeddleError(`${name}: failed to connect to socket (${why})`);
    }
    // A bridge that nobody is to snoop on closes the connection, before or behind the first words.
    if (remote !== name && why === 'Broken pipe') {
      throw new HeddleError(`${remote.replace('unix:', '')}: failed to open socket (${why})`);
    }
    if (remote !== name && why === 'Connection reset by peer') {
      throw new HeddleError(`${name}: failed to connect to socket (${why})`);
    }
    throw new HeddleError(`connecting to ${remote} (${why})`);
  }
}

function remoteOf(name: string, suffix: string): string {
  if (name.includes(':')) return name;
  const bridge = join(dirs.rundir, `${name}.${suffix}`);
  if (isSocket(bridge)) return `unix:${bridge}`;
  if (isSocket(name)) return `unix:${name}`;
  throw new HeddleError(`${name} is not a bridge or a socket`);
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}
