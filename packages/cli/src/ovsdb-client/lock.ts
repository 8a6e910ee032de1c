/** lock, steal, unlock (RFC 7047 4.1.8). */

import { printSortedJson } from '@heddle/ovsdb/notation/index';
import { print } from '@heddle/runtime/stdio';
import { background, type ControlCommand, serveUntilExit } from './background.ts';
import { ask, type Context } from './context.ts';

type Method = 'lock' | 'steal' | 'unlock';

/** Prints the reply, then `locked` and `stolen` as they come. */
export function lockCommand(method: Method) {
  return async (context: Context, [name]: readonly string[]): Promise<void> => {
    context.onNotification((event, params) => {
      if (event === 'locked' || event === 'stolen') {
        print(`${event}\n${printSortedJson(params)}\n`);
      }
    });
    await request(context, method, name!);
    const control = (m: Method): ControlCommand => ({
      args: 'LOCK',
      run: async ([lock]) => {
        await request(context, m, lock!);
        return '';
      },
    });
    const commands = { lock: control('lock'), steal: control('steal'), unlock: control('unlock') };
    await serveUntilExit(context, background(context, commands));
  };
}

async function request(context: Context, method: Method, name: string): Promise<void> {
  context.printJson(await ask(context.rpc, method, [name]));
}
