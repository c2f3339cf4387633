/** Builds an image from packages: fills a temporary folder with what its Dockerfile copies, then `docker build`. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { InfrastructureError } from '../core/errors.ts';
import { run, which } from '../core/exec.ts';
import type { ProgressStep } from '../core/progress.ts';
import { aptInstall, thisSystem } from './debian.ts';
import {
  BUILT_LABEL,
  BUILT_VALUE,
  type DebianMake,
  type GoMake,
  type ImageSpec,
  isInstalled,
  RECIPE_LABEL,
  recipeOf,
} from './images.ts';

export interface MakeOptions {
  env: NodeJS.ProcessEnv;
  /** Of the engine, as the kernel names it: x86_64, aarch64. */
  architecture: string;
  step: ProgressStep;
  signal?: AbortSignal | undefined;
}

interface Architecture {
  go: string;
  node: string;
  debian: string;
}

const ARCHITECTURES: Record<string, Architecture> = {
  x86_64: { go: 'amd64', node: 'x64', debian: 'amd64' },
  aarch64: { go: 'arm64', node: 'arm64', debian: 'arm64' },
};

/** Files in an image's folder that pin packages; the image itself does not need them. */
const PINS = ['go.mod', 'go.sum', 'package.json', 'package-lock.json', '.npmrc', 'pom.xml'];

/** Where systems keep the certificates that they trust, after what the environment says. */
const CERTIFICATES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];

/** Builds the image under its tag. Throws InfrastructureError that says which part failed, with its last lines. */
export async function makeImage(spec: ImageSpec, options: MakeOptions): Promise<void> {
  const { make } = spec;
  if (make.kind === 'none')
    throw new InfrastructureError('it cannot be built from packages', {
      hint: 'Set MAYFLY_REGISTRY to a registry that has it, or load it with `docker load`.',
    });
  // before anything is read: what changes meanwhile is built next time
  const labels = { [BUILT_LABEL]: BUILT_VALUE, [RECIPE_LABEL]: recipeOf(spec) };
  if (make.kind === 'folder') return dockerBuild(spec.ref, labels, spec.folder, options);
  await inTemporaryFolder(async (temporary) => {
    const context = join(temporary, 'context');
    if (make.kind === 'npm') {
      await addFolderWithPackages(spec, context, options);
      return dockerBuild(spec.ref, labels, context, options);
    }
    await cp(spec.folder, context, { recursive: true, filter: (path) => !PINS.includes(basename(path)) });
    await addSystemFiles(context, options.env, make.kind === 'go');
    const env = { ...options.env, TMPDIR: temporary };
    if (make.kind === 'go') await addPrograms(spec, make, context, { ...options, env });
    else await addDebian(spec, make, temporary, context, { ...options, env });
    await dockerBuild(spec.ref, labels, context, options);
  });
}

/** Arguments of `go build` for programs of one image or tool; a value, so that it can be tested as one. */
export function goBuildArgs(make: GoMake, target: string, packages: string[]): string[] {
  const variables = Object.entries(make.variables).map(([name, value]) => `-X ${name}=${value}`);
  return [
    'build',
    '-v',
    '-trimpath',
    `-tags=${make.tags.join(',')}`,
    `-ldflags=${['-s', '-w', ...variables].join(' ')}`,
    '-o',
    target,
    ...packages,
  ];
}

/** Compiles one program of the module in `folder` into `target`, without cgo, so that it runs on an empty image. */
export async function goBuild(
  make: GoMake,
  options: {
    folder: string;
    packageName: string;
    target: string;
    goos?: string;
    goarch?: string;
    env: NodeJS.ProcessEnv;
    step: ProgressStep;
    signal?: AbortSignal | undefined;
  },
): Promise<void> {
  if (!which('go', options.env)) {
    throw new InfrastructureError(`building ${basename(options.target)} needs Go, which is not installed`, {
      hint: 'Install Go 1.26 or newer (https://go.dev/dl/), put it on the PATH and run the command again.',
    });
  }
  const env = {
    ...options.env,
    CGO_ENABLED: '0',
    GOWORK: 'off',
    ...(options.goos ? { GOOS: options.goos } : {}),
    ...(options.goarch ? { GOARCH: options.goarch } : {}),
  };
  let packages = 0;
  await run('go', goBuildArgs(make, options.target, [options.packageName]), {
    what: `building ${basename(options.target)}`,
    cwd: options.folder,
    env,
    signal: options.signal,
    onLine: (line) =>
      options.step.update(
        line.startsWith('go: ') ? line : `compiling ${basename(options.target)}: ${++packages} packages`,
      ),
  });
}

async function addPrograms(spec: ImageSpec, make: GoMake, context: string, options: MakeOptions): Promise<void> {
  const goarch = architectureOf(options).go;
  for (const [file, packageName] of Object.entries(make.programs)) {
    await goBuild(make, {
      folder: spec.folder,
      packageName,
      target: join(context, file),
      goos: 'linux',
      goarch,
      ...options,
    });
  }
}

async function addDebian(
  spec: ImageSpec,
  make: DebianMake,
  temporary: string,
  context: string,
  options: MakeOptions,
): Promise<void> {
  if (make.maven) {
    const where = { folder: spec.folder, target: join(context, basename(spec.folder)) };
    await unpackArtifact(make.maven.sha256, where, options);
  }
  await addRootFileSystem(make, context, options);
  if (make.node) await addNode(spec, temporary, context, options);
}

/** Of a Maven artifact what pom.xml in `folder` takes out of it, into `target`. */
export async function unpackArtifact(
  sha256: string,
  where: { folder: string; target: string },
  options: Omit<MakeOptions, 'architecture'>,
): Promise<void> {
  await needPrograms(['mvn', 'java'], ['maven', 'default-jre-headless'], options);
  const pom = join(where.folder, 'pom.xml');
  const work = await mkdtemp(join(options.env.TMPDIR ?? tmpdir(), 'mayfly-maven-')); // Maven writes beside its pom.xml
  try {
    await cp(pom, join(work, 'pom.xml'));
    await run(
      'mvn',
      [
        '--batch-mode',
        '--no-transfer-progress',
        `-Dmayfly.artifact=${work}`,
        `-Dmayfly.unpacked=${where.target}`,
        'process-resources',
      ],
      {
        what: `fetching the Maven artifact of ${basename(where.folder)}`,
        cwd: work,
        env: options.env,
        signal: options.signal,
        onLine: (line) => options.step.update(line),
      },
    );
    const found = createHash('sha256');
    await pipeline(createReadStream(join(work, 'artifact.jar')), found);
    const is = found.digest('hex');
    if (is !== sha256)
      throw new InfrastructureError(
        `what Maven has fetched for ${pom} has the SHA-256 ${is}, but must have ${sha256}`,
        {
          hint: 'It is not what was published. Look at where Maven fetches from, remove it from ~/.m2/repository and run the command again.',
        },
      );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The folder whole, as its lock file is for all of it, and node_modules in it. */
async function addFolderWithPackages(spec: ImageSpec, context: string, options: MakeOptions): Promise<void> {
  await cp(spec.folder, context, {
    recursive: true,
    filter: (path) => !isInstalled(path.slice(spec.folder.length)),
  });
  await npmCi(context, `fetching the npm packages of ${spec.ref}`, ['--omit=dev'], options);
}

/** Into node_modules of a folder, for the engine's processor. No script of a package is run. */
async function npmCi(folder: string, what: string, flags: string[], options: MakeOptions): Promise<void> {
  const { node } = architectureOf(options);
  await run('npm', ['ci', '--ignore-scripts', '--os=linux', `--cpu=${node}`, ...flags], {
    what,
    cwd: folder,
    env: options.env,
    signal: options.signal,
    onLine: (line) => options.step.update(line),
  });
}

async function addNode(spec: ImageSpec, temporary: string, context: string, options: MakeOptions): Promise<void> {
  const packages = join(temporary, 'packages');
  await mkdir(packages);
  for (const file of PINS.filter((pin) => existsSync(join(spec.folder, pin))))
    await cp(join(spec.folder, file), join(packages, file));
  const { node } = architectureOf(options);
  await npmCi(packages, 'fetching the npm packages node and npm', [], options);
  await mkdir(join(context, 'node', 'bin'), { recursive: true });
  await mkdir(join(context, 'node', 'lib', 'node_modules'), { recursive: true });
  await cp(join(packages, 'node_modules', `node-linux-${node}`, 'bin', 'node'), join(context, 'node', 'bin', 'node'));
  await rename(join(packages, 'node_modules', 'npm'), join(context, 'node', 'lib', 'node_modules', 'npm'));
}

async function addRootFileSystem(make: DebianMake, context: string, options: MakeOptions): Promise<void> {
  await needPrograms(['mmdebstrap'], ['mmdebstrap'], options);
  const excluded = ['doc', 'man', 'info', 'locale'].map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`);
  const included = make.packages.map((name) => `--include=${name}`);
  await run(
    'mmdebstrap',
    [
      '--variant=minbase',
      `--architectures=${architectureOf(options).debian}`,
      ...included,
      ...excluded,
      // Java's packages put links into it, and fail where it is excluded.
      '--essential-hook=mkdir -p "$1/usr/share/man/man1"',
      make.suite,
      join(context, 'rootfs.tar'),
    ],
    {
      what: 'making a Debian root file system',
      env: options.env,
      signal: options.signal,
      onLine: (line) => options.step.update(line.replace(/^I: /, '')),
    },
  );
}

/** Programs of this host that a build needs: installed where that may be done, else an error that says how. */
async function needPrograms(
  programs: string[],
  packages: string[],
  options: Pick<MakeOptions, 'env' | 'step' | 'signal'>,
): Promise<void> {
  const missing = programs.filter((program) => !which(program, options.env));
  if (missing.length === 0) return;
  const { root, debian } = thisSystem();
  if (root && debian) return aptInstall(packages, options);
  throw new InfrastructureError(...missingPrograms(missing, packages, debian));
}

/** What is missing, and what to do; a value, so that it can be tested as one. */
export function missingPrograms(missing: string[], packages: string[], debian: boolean): [string, { hint: string }] {
  const instead = 'set MAYFLY_REGISTRY to a registry that has it, or load it with `docker load`.';
  return [
    `building it needs ${missing.join(' and ')}, which ${missing.length > 1 ? 'are' : 'is'} not installed`,
    {
      hint: debian
        ? `Run: sudo apt-get install --no-install-recommends ${packages.join(' ')}`
        : `Make the image reachable instead: ${instead}`,
    },
  ];
}

/** The certificates that the host trusts; on an empty image also the names of its users. */
async function addSystemFiles(context: string, env: NodeJS.ProcessEnv, emptyImage: boolean): Promise<void> {
  await mkdir(join(context, 'etc', 'ssl', 'certs'), { recursive: true });
  const certificates = [env.NODE_EXTRA_CA_CERTS, env.SSL_CERT_FILE, ...CERTIFICATES].find(
    (file) => file && existsSync(file) && statSync(file).isFile(),
  );
  if (!certificates)
    throw new InfrastructureError('no file with the certificates of authorities found on this host', {
      hint: 'Install the package ca-certificates, or name the file in SSL_CERT_FILE.',
    });
  await cp(certificates, join(context, 'etc', 'ssl', 'certs', 'ca-certificates.crt'), { dereference: true });
  if (!emptyImage) return;
  await writeFile(
    join(context, 'etc', 'passwd'),
    'root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n',
  );
  await writeFile(join(context, 'etc', 'group'), 'root:x:0:\nnobody:x:65534:\n');
  await mkdir(join(context, 'empty'));
}

async function dockerBuild(
  ref: string,
  labels: Record<string, string>,
  context: string,
  options: MakeOptions,
): Promise<void> {
  // The classic builder: it is in every engine, buildx is not.
  const env = { ...options.env, DOCKER_BUILDKIT: '0' };
  await run(
    'docker',
    [
      'build',
      '--force-rm',
      '--tag',
      ref,
      ...Object.entries(labels).map(([name, value]) => `--label=${name}=${value}`),
      context,
    ],
    { what: `docker build of ${ref}`, env, signal: options.signal, onLine: (line) => options.step.update(line) },
  );
}

function architectureOf(options: { architecture: string }): Architecture {
  const known = ARCHITECTURES[options.architecture];
  if (!known)
    throw new InfrastructureError(
      `images cannot be built for ${options.architecture}, only for ${Object.keys(ARCHITECTURES).join(' and ')}`,
      { hint: 'Set MAYFLY_REGISTRY to a registry that has them.' },
    );
  return known;
}

async function inTemporaryFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mayfly-build-'));
  try {
    await work(folder);
  } finally {
    // Go makes the folders of its cache read-only; an ended compiler may still write for a moment.
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
