/** Where the token for actions is given. */
import { type Html, html } from '../html.ts';

/** `signedIn` undefined: the server has no token, so nobody can. */
export function signInBody(signedIn: boolean | undefined): Html {
  if (signedIn === undefined)
    return html`<h1>Read-only</h1><p>This site was started without MAYFLY_ACTION_TOKEN, so nothing can be done on it. <code>npm run queue</code> on the host can do everything.</p>`;
  if (signedIn)
    return html`<h1>Signed in</h1><p>Jobs can be cancelled and retried, and the queue paused, on the <a href="/jobs">page of the jobs</a>.</p><form method="post" action="/sign-out"><button>Sign out</button></form>`;
  return html`<h1>Sign in</h1>
<form method="post" action="/sign-in" class="stack">
<input type="text" name="username" value="mayfly" autocomplete="username" hidden>
<label for="token">Token</label>
<input id="token" name="token" type="password" required autocomplete="current-password" maxlength="500" aria-describedby="token-hint">
<p class="muted" id="token-hint">The value of MAYFLY_ACTION_TOKEN of the server. With it jobs can be cancelled and retried, and the queue paused.</p>
<button>Sign in</button>
</form>`;
}
