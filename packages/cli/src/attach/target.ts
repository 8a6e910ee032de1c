/** What an operator may name as the place for an interface, and the namespace that it means. */
import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { AttachError } from './errors.ts';
import { type Owner, ownerOfPath, ownerOfPid } from './owner.ts';

export interface Target {
  /** A file that setns(2) takes. */
  readonly netns: string;
  readonly owner: Owner;
  /** What goes into `external_ids:container_id`: as the operator wrote it. */
  readonly name: string;
}

const NETNS_DIRS = ['/run/netns', '/var/run/netns'];

/** A pid, a path, the name of a network namespace (`ip netns`), or a container's name or id. */
export async function resolveTarget(text: string): Promise<Target> {
  if (text === '') throw new AttachError('no container or namespace given');
  if (text.includes('/')) return pathTarget(text, text);
  const named = NETNS_DIRS.map((dir) => `${dir}/${text}`).find((path) => existsSync(path));
  if (named !== undefined) return pathTarget(text, named);
  if (/^\d+$/.test(text) && existsSync(`/proc/${text}`)) return pidTarget(text, Number(text));
  return containerTarget(text).catch((error: AttachError) => {
    throw new AttachError(`${text} is no namespace, no process and no container: ${error.message}`);
  });
}

/** Docker's (or Podman's) container; the error says what to do. */
export async function containerTarget(name: string): Promise<Target> {
  return pidTarget(name, await containerPid(name));
}

function pathTarget(name: string, netns: string): Target {
  if (!existsSync(netns)) throw new AttachError(`${netns}: no such namespace`);
  if (!statSync(netns).isFile()) throw new AttachError(`${netns} is not a network namespace`);
  return { name, netns, owner: ownerOfPath(netns) };
}

function pidTarget(name: string, pid: number): Target {
  const owner = ownerOfPid(pid);
  if (owner === undefined) throw new AttachError(`process ${pid} of ${name} is gone`);
  return { name, netns: `/proc/${pid}/ns/net`, owner };
}

/** The state of a container as its engine tells it: undefined when no engine answers. */
export async function containerRuns(name: string): Promise<boolean | undefined> {
  try {
    return (await inspect(name)) > 0;
  } catch (error) {
    return error instanceof NoSuchContainer ? false : undefined;
  }
}

async function containerPid(name: string): Promise<number> {
  const pid = await inspect(name);
  if (pid === 0) throw new AttachError(`container ${name} is not running`);
  return pid;
}

class NoSuchContainer extends AttachError {}

async function inspect(name: string): Promise<number> {
  const reasons: string[] = [];
  for (const engine of ['docker', 'podman']) {
    const args = ['inspect', '--type=container', '-f', '{{.State.Pid}}', '--', name];
    const { error, stdout, stderr } = await command(engine, args);
    if (error === undefined && /^\d+$/.test(stdout.trim())) return Number(stdout);
    if (/no such (container|object)/i.test(stderr)) {
      throw new NoSuchContainer(`no such container: ${name}`);
    }
    if (error !== 'ENOENT') reasons.push(stderr.trim() || `${engine} inspect ${name}: ${error}`);
  }
  throw new AttachError(reasons[0] ?? 'neither docker nor podman is installed');
}

function command(
  file: string,
  args: string[],
): Promise<{ error: string | undefined; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: 20_000 }, (error, stdout, stderr) => {
      const reason = error === null ? undefined : String(error.code ?? error.message);
      resolve({ error: reason, stdout, stderr });
    });
  });
}
