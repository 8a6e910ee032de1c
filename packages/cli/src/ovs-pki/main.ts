/** ovs-pki(8): keys and certificates for switches and controllers. */
import { readSync } from 'node:fs';
import { resolve } from 'node:path';
import { HeddleError } from '@heddle/runtime/errors';
import { print, printError } from '@heddle/runtime/stdio';
import { versionText } from '@heddle/runtime/version';
import { init, sign, verify } from './authority.ts';
import { fingerprintText, makeRequest, mustExist, mustNotExist, selfSign } from './keys.ts';
import type { CertificateType, Settings } from './settings.ts';
import { usage } from './usage.ts';

const PROGRAM = 'ovs-pki';
const DEFAULT_DIRECTORY = '/var/lib/openvswitch/pki';
const DEFAULT_LOG = '/var/log/openvswitch/ovs-pki.log';
const MIN_BITS = 1024;

/** Returns the exit status. */
export function main(argv: readonly string[]): number {
  try {
    return run(argv);
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    printError(`${PROGRAM}: ${error.message}\n`);
    return 1;
  }
}

interface Option {
  readonly names: readonly string[];
  readonly set: (settings: Settings, value: string) => void;
  readonly takesValue: boolean;
}

const OPTIONS: readonly Option[] = [
  {
    names: ['-k', '--key'],
    takesValue: true,
    set: (s, value) => {
      if (value !== 'rsa' && value !== 'dsa') {
        throw new HeddleError('argument to -k or --key must be rsa or dsa');
      }
      s.keyType = value;
    },
  },
  {
    names: ['-B', '--bits'],
    takesValue: true,
    set: (s, value) => {
      if (!/^\d+$/.test(value) || Number(value) < MIN_BITS) {
        throw new HeddleError(`argument to -B or --bits must be at least ${MIN_BITS}`);
      }
      s.bits = Number(value);
    },
  },
  { names: ['-D', '--dsaparam'], takesValue: true, set: (s, value) => (s.dsaparam = value) },
  { names: ['-d', '--dir'], takesValue: true, set: (s, value) => (s.directory = resolve(value)) },
  { names: ['-l', '--log'], takesValue: true, set: (s, value) => (s.log = resolve(value)) },
  { names: ['-b', '--batch'], takesValue: false, set: (s) => (s.batch = true) },
  { names: ['-f', '--force'], takesValue: false, set: (s) => (s.force = true) },
  { names: ['-u', '--unique'], takesValue: false, set: (s) => (s.unique = true) },
];

function run(argv: readonly string[]): number {
  const settings: Settings = {
    keyType: 'rsa',
    bits: 2048,
    dsaparam: undefined,
    batch: false,
    directory: DEFAULT_DIRECTORY,
    force: false,
    log: DEFAULT_LOG,
    unique: false,
  };
  const args: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === '-h' || word === '--help') return print(usage());
    if (word === '-V' || word === '--version') return print(`${versionText(PROGRAM)}\n`);
    if (!word.startsWith('-')) {
      if (args.length === 3) throw new HeddleError(`${word}: only two arguments may be specified`);
      args.push(word);
      continue;
    }
    const [name = '', inline] = word.startsWith('--') ? word.split(/=(.*)/s, 2) : [word];
    const option = OPTIONS.find(({ names }) => names.includes(name));
    if (!option || (inline !== undefined && !option.takesValue)) {
      throw new HeddleError(`unrecognized option ${word}`);
    }
    const value = option.takesValue ? (inline ?? argv[++i]) : '';
    if (value === undefined) throw new HeddleError(`missing argument to ${name}`);
    option.set(settings, value);
  }
  return runCommand(args, settings);
}

function runCommand([command, ...args]: readonly string[], settings: Settings): number {
  switch (command) {
    case undefined:
      throw new HeddleError('missing command name; use --help for help');
    case 'init':
      init(settings, (line) => printError(`${line}\n`));
      return 0;
    case 'req': {
      const name = one(command, args);
      makeRequest(name, settings);
      return print(fingerprintText(`${name}-req.pem`, settings));
    }
    case 'sign': {
      const { name, type } = nameAndType(command, args);
      print(fingerprintText(`${name}-req.pem`, settings));
      if (!settings.batch) confirm();
      sign(name, type, settings);
      return 0;
    }
    case 'req+sign': {
      const { name, type } = nameAndType(command, args);
      mustNotExist(`${name}-cert.pem`, settings);
      makeRequest(name, settings);
      sign(name, type, settings);
      return print(fingerprintText(`${name}-req.pem`, settings));
    }
    case 'verify': {
      const { name, type } = nameAndType(command, args);
      return verify(name, type, settings);
    }
    case 'fingerprint': {
      const file = one(command, args);
      mustExist(file);
      return print(fingerprintText(file, settings));
    }
    case 'self-sign':
      selfSign(one(command, args), settings);
      return 0;
    default:
      throw new HeddleError(`${command} command unknown; use --help for help`);
  }
}

function one(command: string, args: readonly string[]): string {
  const [name] = args;
  if (name !== undefined && args.length === 1) return name;
  throw new HeddleError(`${command} must have exactly one argument; use --help for help`);
}

function nameAndType(
  command: string,
  [name, type = 'switch']: readonly string[],
): { readonly name: string; readonly type: CertificateType } {
  if (name === undefined) {
    throw new HeddleError(`${command} must have one or two arguments; use --help for help`);
  }
  if (type !== 'switch' && type !== 'controller') {
    throw new HeddleError("type argument must be 'switch' or 'controller'");
  }
  return { name, type };
}

/** Whether the operator says that the fingerprint is the one that `req` has shown. */
function confirm(): void {
  print('Does fingerprint match? (yes/no)\n');
  let answer = '';
  const byte = Buffer.alloc(1);
  while (!answer.endsWith('\n') && answer.length < 100 && readSync(0, byte, 0, 1, null) === 1) {
    answer += byte.toString('latin1');
  }
  if (!/^[yY]/.test(answer)) throw new HeddleError('Match failure, aborting');
}
