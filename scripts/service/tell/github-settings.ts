/** How GitHub is reached, as the environment says. Pure but for the file of the private key. */
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { UsageError } from '../../core/errors.ts';

export interface GitHubSettings {
  /** Without a slash at its end. */
  baseUrl: string;
  /** A GitHub App with its private key (PEM); it goes before the token. */
  app?: { appId: string; privateKey: string };
  token?: string;
}

/** UsageError where a setting is missing or wrong; no secret is in its message. */
export function gitHubSettings(env: NodeJS.ProcessEnv): GitHubSettings {
  return { baseUrl: apiUrl(env.GITHUB_API_URL), app: appOf(env), token: tokenOf(env.GITHUB_TOKEN) };
}

function apiUrl(text: string | undefined): string {
  if (!text) return 'https://api.github.com';
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new UsageError("GITHUB_API_URL is no address of GitHub's API", {
      hint: 'Leave it out for github.com; for GitHub Enterprise it is https://HOST/api/v3, without user, ? or #.',
    });
  }
  return url.href.replace(/\/+$/, '');
}

/** A token is one line of plain signs; what is wrong with it is said without it. */
function tokenOf(text: string | undefined): string | undefined {
  const token = text?.trim();
  if (token && !/^[\x21-\x7e]+$/.test(token))
    throw new UsageError('GITHUB_TOKEN holds signs that no token has, for example a space or a line break', {
      hint: 'Set it to the token alone.',
    });
  return token || undefined;
}

function appOf(env: NodeJS.ProcessEnv): { appId: string; privateKey: string } | undefined {
  const { GITHUB_APP_ID: appId, GITHUB_APP_PRIVATE_KEY: key, GITHUB_APP_PRIVATE_KEY_FILE: file } = env;
  if (!appId && !key && !file) return undefined;
  if (!appId)
    throw new UsageError('there is a private key of a GitHub App, but no GITHUB_APP_ID', {
      hint: 'The id is on the page of the App.',
    });
  if (!key && !file)
    throw new UsageError('GITHUB_APP_ID is set, but there is no private key', {
      hint: 'Set GITHUB_APP_PRIVATE_KEY_FILE to the .pem file of the App, or GITHUB_APP_PRIVATE_KEY to what is in it.',
    });
  if (key && file)
    throw new UsageError('GITHUB_APP_PRIVATE_KEY and GITHUB_APP_PRIVATE_KEY_FILE are both set', {
      hint: 'Leave one of them out.',
    });
  if (!/^[\w.]+$/.test(appId))
    throw new UsageError('GITHUB_APP_ID is no id of a GitHub App', {
      hint: 'It is a number like 123456, or a client id like Iv23li....',
    });
  const privateKey = key ? key.replaceAll('\\n', '\n') : readKey(file!);
  try {
    createPrivateKey(privateKey);
  } catch {
    throw new UsageError(
      `${key ? 'GITHUB_APP_PRIVATE_KEY' : `GITHUB_APP_PRIVATE_KEY_FILE (${file})`} holds no private key`,
      { hint: 'It is the .pem file that GitHub makes on the page of the App.' },
    );
  }
  return { appId, privateKey };
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(
      `GITHUB_APP_PRIVATE_KEY_FILE (${file}) cannot be read: ${(error as NodeJS.ErrnoException).code}`,
      { hint: 'Name the .pem file of the App; the user who runs the server has to be able to read it.' },
    );
  }
}
