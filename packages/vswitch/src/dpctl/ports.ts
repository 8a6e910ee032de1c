/** `add-dp`, `del-dp`, `add-if`, `set-if`, `del-if`: ports of a datapath by hand. */
import type { Dpif, VportType } from '@heddle/datapath';
import { type DpctlCommand, type DpctlRun, errorCode, findDpif } from './command.ts';

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
    if (!dpif) return;
    for (const arg of run.args.slice(1)) {
      const spec = parsePortSpec(run, arg);
      if (!spec) continue;
      try {
        await dpif.portAdd(spec.name, spec.type, spec.portNo);
      } catch (error) {
        run.fail(`adding ${spec.name} to ${run.args[0]} failed`, errorCode(error));
      }
    }
  },
};

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
      const spec = parsePortSpec(run, arg);
      if (!spec) continue;
      const port = [...dpif.ports()].find((p) => p.name === spec.name);
      if (!port) run.fail(`${spec.name}: port not found`, 'ENODEV');
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
  run(run) {
    const name = run.args[0]!;
    if (findDpif(run.env, name)) run.fail(`add_dp`, 'EEXIST');
    else run.fail(`add_dp: the switch makes its datapath itself (add a bridge with ovs-vsctl)`);
  },
};

export const delDp: DpctlCommand = {
  name: 'del-dp',
  usage: 'dp',
  minArgs: 1,
  maxArgs: 1,
  async run(run) {
    const dpif = openDpif(run);
    if (dpif) await dpif.destroy();
  },
};

function openDpif(run: DpctlRun): Dpif | undefined {
  const dpif = findDpif(run.env, run.args[0]!);
  if (!dpif) run.fail('opening datapath', 'ENODEV');
  return dpif;
}

function findPort(dpif: Dpif, nameOrNumber: string) {
  const ports = [...dpif.ports()];
  const n = /^\d+$/.test(nameOrNumber) ? Number(nameOrNumber) : undefined;
  return ports.find((p) => p.name === nameOrNumber || p.portNo === n);
}

function parsePortSpec(run: DpctlRun, arg: string): PortSpec | undefined {
  const [name = '', ...options] = arg.split(',');
  const spec: PortSpec = { name, type: 'system', portNo: undefined };
  for (const option of options) {
    const eq = option.indexOf('=');
    const key = eq < 0 ? option : option.slice(0, eq);
    const value = eq < 0 ? '' : option.slice(eq + 1);
    if (key === 'type') {
      if (value !== 'system' && value !== 'internal' && value !== 'tap') {
        run.fail(`${name}: unknown type "${value}"`, 'EINVAL');
        return undefined;
      }
      spec.type = value;
    } else if (key === 'port_no') spec.portNo = Number(value);
    else {
      run.fail(`${name}: unknown option "${option}"`, 'EINVAL');
      return undefined;
    }
  }
  return spec;
}
