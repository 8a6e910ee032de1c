// Builds the native addon and dist/, one small entry per command of packages/cli/src, and the chunks that they share.
// A bundle knows the sources that it was made from. While they are there and one of them is newer, it runs the
// sources instead, so that a forgotten build is slow but never wrong.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, 'packages/cli/src');
const dist = join(root, 'dist');
const fresh = `${dist}.new${process.pid}`;
const started = Date.now();
/** From the root. */
const OWN_NODE = `node_modules/node-linux-${process.arch}/bin/node`;

if (!process.argv.includes('--no-addon')) run('sh', [join(root, 'packages/linux/build.sh')]);

const commands = readdirSync(sources).filter((name) => existsSync(join(sources, name, 'main.ts')));
const result = await build({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(commands.map((name) => [`main/${name}`, `entry:${name}`])),
  plugins: [
    { name: 'entries', setup: entries },
    { name: 'lazy-builtins', setup: lazyBuiltins },
  ],
  outdir: fresh,
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  // The oldest Node that a bundle starts on; `using` is lowered for it.
  target: 'node20',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});
writeEntries();
rmSync(dist, { recursive: true, force: true });
renameSync(fresh, dist);
warmUp();
console.log(`built ${commands.length} commands in ${Date.now() - started} ms`);

/** The module behind dist/main/NAME.mjs: what runs when the bundle is not stale. */
function entries({ onResolve, onLoad }) {
  onResolve({ filter: /^entry:/ }, ({ path }) => ({ path: path.slice(6), namespace: 'entry' }));
  onLoad({ filter: /.*/, namespace: 'entry' }, ({ path: name }) => ({
    resolveDir: sources,
    loader: 'ts',
    contents: `import { run } from './run.ts';
export default () => run('${name}', process.argv.slice(2), () => import('./${name}/main.ts'));`,
  }));
}

/**
 * Loads a module of Node when a member of it is first used. An import statement would load it at start, with all that
 * its exports refer to: 4 ms for node:fs (its promises), 3 for node:net, 6 for node:tls, of the 60 that a command has.
 */
function lazyBuiltins({ onResolve, onLoad }) {
  onResolve({ filter: /^node:/ }, ({ path }) => ({
    path,
    namespace: 'builtin',
    sideEffects: false,
  }));
  onLoad({ filter: /.*/, namespace: 'builtin' }, async ({ path }) => {
    const names = Object.keys(await import(path)).filter((name) => name !== 'default');
    const members = names.map((name) => `get ${name}() { return load().${name}; }`);
    return {
      loader: 'js',
      contents: `let module_;
const load = () => module_ ??= process.getBuiltinModule('${path}');
module.exports = { ${members.join(', ')} };`,
    };
  });
}

/**
 * Puts dist/run/NAME, which Node starts on, before the bundle of NAME, and dist/node/NAME beside it, a link to Node:
 * who looks for a process by its name (pidof, pgrep, ps -C, Neutron's agents) finds NAME in front of its command line.
 */
function writeEntries() {
  for (const folder of ['run', 'node']) mkdirSync(join(fresh, folder));
  writeFileSync(join(fresh, 'run/package.json'), '{ "type": "commonjs" }\n');
  for (const name of commands) {
    writeFileSync(join(fresh, 'run', name), entry(name, inputsOf(name)));
    symlinkSync(`../../${OWN_NODE}`, join(fresh, 'node', name));
  }
  // For scripts/setup.sh: what is newer than this has not been built.
  const stamp = join(fresh, 'built');
  writeFileSync(stamp, '');
  utimesSync(stamp, started / 1000, started / 1000);
}

/** The sources of everything that the command may load, relative to the root. */
function inputsOf(name) {
  const { outputs } = result.metafile;
  const inputs = new Set();
  const seen = new Set();
  const visit = (path) => {
    if (seen.has(path) || !outputs[path]) return;
    seen.add(path);
    for (const input of Object.keys(outputs[path].inputs)) {
      if (input.startsWith('packages/')) inputs.add(input);
    }
    for (const { path: imported } of outputs[path].imports) visit(imported);
  };
  visit(relative(root, join(fresh, 'main', `${name}.mjs`)));
  return [...inputs].sort();
}

/** CommonJS, as a file without an extension is to Node 20. */
function entry(name, inputs) {
  return `const sources = __dirname + '/../../';
const { statSync } = process.getBuiltinModule('fs');
const options = { throwIfNoEntry: false };
const stale = process.features.typescript && statSync(sources + 'packages/cli/src/run.ts', options) &&
  ${JSON.stringify(inputs)}.some((file) => !(statSync(sources + file, options)?.mtimeMs <= ${started}));
if (stale) {
  import('../../packages/cli/src/run.ts').then(({ run }) =>
    run('${name}', process.argv.slice(2), () => import('../../packages/cli/src/${name}/main.ts')));
} else {
  process.getBuiltinModule('module').enableCompileCache?.(__dirname + '/../cache');
  import('../main/${name}.mjs').then((bundle) => bundle.default());
}
`;
}

/** Fills V8's compile cache, and shows at once when a bundle does not start. */
function warmUp() {
  // The Node that the launchers prefer, whichever runs this.
  const own = join(root, OWN_NODE);
  const node = existsSync(own) ? own : process.execPath;
  for (const name of commands) run(node, [join(dist, 'run', name), '--help']);
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status === 0) return;
  console.error(error?.message ?? `${command} ${args.join(' ')}: exit status ${status}`);
  process.exit(1);
}
