/** `add-dp`, `del-dp`, `add-if`, `set-if`, `del-if`: ports of a datapath by hand. */
import type { Dpif, VportType } from '@heddle/datapath';
import { messageOf, SystemError } from '@heddle/runtime';
import {
  type DpctlCommand,
  type DpctlRun,
  dpFullName,
  errorCode,
  findDpif,
  missingDpif,
  parseDpName,
} from './command.ts';

interface PortSpec {
  name: string;
  type: VportType;
  portNo: number | undefined;
}

export const addIf: DpctlCommand = {
  name: 'add-if',
  usage: 'dp iface...',
  minArgs: 2,
  maxArgs: Number.MAX_SAFE_INTEGER,
  async run(run) {
    const dpif = openDpif(run);
    if (dpif) await addPorts(run, dpif);
  },
};

/** Adds what follows the datapath's name on the command line. */
async function addPorts(run: DpctlRun, dpif: Dpif): Promise<void> {
  for (const arg of run.args.slice(1)) {
    const spec = parsePortSpec(run, dpif, arg);
    if (!spec) continue;
    const failed = (code: string) =>
      run.fail(`adding ${spec.name} to ${dpFullName(dpif)} failed`, code);
    const ports = [...dpif.ports()];
    if (ports.some((p) => p.name === spec.name)) failed('EEXIST');
    else if (ports.some((p) => p.portNo === spec.portNo)) failed('EBUSY');
    else {
      await dpif
        .portAdd(spec.name, spec.type, spec.portNo)
        .catch((error: unknown) => failed(errorCode(error)));
    }
  }
}

export const delIf: DpctlCommand = {
  name: 'del-if',
  usage: 'dp iface...',
  minArgs: 2,
  maxArgs: Number.MAX_SAFE_INTEGER,
  async run(run) {
    const dpif = openDpif(run);
    if (!dpif) return;
    for (const name of run.args.slice(1)) {
      const port = findPort(dpif, name);
      if (!port) {
        run.fail(`no port named ${name}`);
        continue;
      }
      if (port.portNo === 0 && port.name === dpif.name) {
        run.fail(`deleting port ${name} from ${dpFullName(dpif)} failed`, 'EINVAL');
        continue;
      }
      await dpif.portDel(port.portNo);
    }
  },
};

export const setIf: DpctlCommand = {
  name: 'set-if',
  usage: 'dp iface...',
  minArgs: 2,
  maxArgs: Number.MAX_SAFE_INTEGER,
  run(run) {
    const dpif = openDpif(run);
    if (!dpif) return;
    for (const arg of run.args.slice(1)) {
      const spec = parsePortSpec(run, dpif, arg);
      if (!spec) continue;
      const port = [...dpif.ports()].find((p) => p.name === spec.name);
      if (!port) run.fail(`${spec.name}: failed to query port in ${dpFullName(dpif)}`, 'ENODEV');
      else if (arg.includes('type=') && spec.type !== port.type) {
        run.fail(`${spec.name}: can't change type from ${port.type} to ${spec.type}`);
      } else if (spec.portNo !== undefined && spec.portNo !== port.portNo) {
        run.fail(`${spec.name}: can't change port number from ${port.portNo} to ${spec.portNo}`);
      }
    }
  },
};

export const addDp: DpctlCommand = {
  name: 'add-dp',
  usage: 'dp [iface...]',
  minArgs: 1,
  maxArgs: Number.MAX_SAFE_INTEGER,
  async run(run) {
    const { type, name } = parseDpName(run.args[0]!);
    let dpif: Dpif | undefined;
    try {
      dpif = await run.env.createDpif?.(type, name);
    } catch (error) {
      if (error instanceof SystemError) run.fail('add_dp', error.code);
      else run.fail(`add_dp: ${messageOf(error)}`);
      return;
    }
    if (dpif) await addPorts(run, dpif);
    else run.fail('add_dp: needs a running ovs-vswitchd');
  },
};

export const delDp: DpctlCommand = {
  name: 'del-dp',
  usage: 'dp',
  minArgs: 1,
  maxArgs: 1,
  async run(run) {
    const dpif = openDpif(run);
    if (!dpif) return;
    if (run.env.destroyDpif) await run.env.destroyDpif(dpif);
    else await dpif.destroy();
  },
};

function openDpif(run: DpctlRun): Dpif | undefined {
  const dpif = findDpif(run.env, run.args[0]!);
  if (!dpif) run.fail('opening datapath', missingDpif(run.env, run.args[0]!));
  return dpif;
}

function findPort(dpif: Dpif, nameOrNumber: string) {
  const ports = [...dpif.ports()];
  const n = /^\d+$/.test(nameOrNumber) ? Number(nameOrNumber) : undefined;
  return ports.find((p) => p.name === nameOrNumber || p.portNo === n);
}

function parsePortSpec(run: DpctlRun, dpif: Dpif, arg: string): PortSpec | undefined {
  const [name = '', ...options] = arg.split(',');
  const spec: PortSpec = { name, type: 'system', portNo: undefined };
  for (const option of options) {
    const eq = option.indexOf('=');
    const key = eq < 0 ? option : option.slice(0, eq);
    const value = eq < 0 ? '' : option.slice(eq + 1);
    if (key === 'type') {
      const type = dpif.portTypes.find((t) => t === value);
      if (type === undefined) {
        run.fail(`${name}: failed to open network device`, 'EAFNOSUPPORT');
        return undefined;
      }
      spec.type = type;
    } else if (key === 'port_no') spec.portNo = Number(value);
    else {
      run.fail(`${name}: unknown option "${option}"`, 'EINVAL');
      return undefined;
    }
  }
  return spec;
}
