/** ovs-vsctl(8): configures ovs-vswitchd through its database. */
import { RpcConnection, RpcError } from '@heddle/ovsdb';
import { errnoOf, formatOptions, HeddleError, strerror, versionText, vlog } from '@heddle/runtime';
import { VsctlError } from './errors.ts';
import { COMMANDS, OPTIONS, PROGRAM, parseLine, type Settings } from './parse.ts';
import { Session } from './session.ts';

function help(): string {
  const commands = COMMANDS.map((c) => `  ${`${c.name} ${c.usage}`.trimEnd()}`).join('\n');
  return `${PROGRAM}: ovs-vswitchd management utility
usage: ${PROGRAM} [OPTIONS] COMMAND [ARG...]

Commands:
${commands}

Options:
${formatOptions(OPTIONS)}`;
}

function commandsForCompletion(): string {
  return COMMANDS.map((c) => {
    const options = [
      ...(c.options ?? []).map((o) => `[--${o}]`),
      ...(c.valueOptions ?? []).map((o) => `[--${o}=]`),
    ];
    return `${options.join(',')},${c.name},${c.usage}`;
  }).join('\n');
}

function optionsForCompletion(): string {
  return OPTIONS.map((o) => `--${o.long}${o.argument === undefined ? '' : '=ARG'}`).join('\n');
}

/** Output of all commands; with --oneline one line each. */
function render(outputs: readonly string[], oneline: boolean): string {
  if (!oneline) return outputs.join('');
  return outputs
    .map((t) => `${t.replace(/\n$/, '').replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`)
    .join('');
}

async function connect(
  settings: Settings,
  handlers: { onUpdate(m: never, u: never): void; onClosed(): void },
): Promise<RpcConnection> {
  const remotes = settings.db.split(/,(?=\w+:)/);
  for (let i = 0; ; i++) {
    const remote = remotes[i % remotes.length]!;
    try {
      return await RpcConnection.open(remote, {
        notified: (method, params) => {
          if (method === 'update') handlers.onUpdate(params[0] as never, params[1] as never);
        },
        closed: () => handlers.onClosed(),
        tls: settings.tls,
      });
    } catch (error) {
      if (settings.retry) await new Promise((resolve) => setTimeout(resolve, 1000));
      else if (i + 1 >= remotes.length) {
        const reason = error instanceof HeddleError ? error.message : strerror(errnoOf(error));
        throw new VsctlError(`${settings.db}: database connection failed (${reason})`);
      }
    }
  }
}

async function run(argv: readonly string[]): Promise<void> {
  const { settings, commands } = parseLine(argv);
  if (settings.action === 'help') return void console.log(help());
  if (settings.action === 'version')
    return void console.log(versionText(PROGRAM, `DB Schema 8.8.0`));
  if (settings.action === 'commands') return void console.log(commandsForCompletion());
  if (settings.action === 'options') return void console.log(optionsForCompletion());
  if (settings.timeoutSecs > 0) {
    setTimeout(() => {
      process.stderr.write(
        `${new Date().toISOString().replace(/\.\d+/, '')}|00001|fatal_signal|WARN|terminating with signal 14 (Alarm clock)\n`,
      );
      process.kill(process.pid, 'SIGALRM');
    }, settings.timeoutSecs * 1000).unref();
  }
  vlog.setLevel(undefined, 'console', 'warn');
  let session: Session | undefined;
  const connection = await connect(settings, {
    onUpdate: (m, u) => session?.onUpdate(m, u),
    onClosed: () => session?.onClosed(),
  });
  session = new Session(connection, settings, argv);
  try {
    const outputs = await session.run(commands);
    process.stdout.write(render(outputs, settings.oneline));
    for (const line of session.pendingErrors) process.stderr.write(`${PROGRAM}: ${line}\n`);
  } finally {
    connection.close();
  }
}

run(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof HeddleError)) throw error;
  const message = error instanceof RpcError ? `transaction error: ${error.message}` : error.message;
  if (message !== '')
    process.stderr.write(`${message.startsWith(`${PROGRAM}: `) ? '' : `${PROGRAM}: `}${message}\n`);
  process.exitCode = error instanceof VsctlError ? error.status : 1;
});
