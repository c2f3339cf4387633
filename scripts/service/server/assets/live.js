// Fetches the page again while something on it runs, and changes only what is new: scroll, focus and what is open stay.

/** Seconds are those of <html data-live>; without it the page stays as it is. */
export function keepUp() {
  const seconds = Number(document.documentElement.dataset.live);
  if (!(seconds > 0)) return;
  const again = () => setTimeout(look, seconds * 1000);
  const look = async () => {
    if (document.hidden) return again();
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
        for (const part of document.querySelectorAll('[data-part]')) renew(part, fresh.getElementById(part.id));
        if (fresh.documentElement.dataset.live === undefined) return;
      }
    } catch {
      // The server is being started again, perhaps: the next look tells.
    }
    again();
  };
  again();
}

function renew(part, fresh) {
  if (!fresh || part.innerHTML === fresh.innerHTML) return;
  const open = new Set([...part.querySelectorAll('details[open] > summary')].map((one) => one.textContent));
  const scrolled = new Map([...part.querySelectorAll('.box')].map((box) => [box.getAttribute('aria-label'), [box.scrollLeft, box.scrollTop]]));
  const focus = part.contains(document.activeElement) ? nameOf(document.activeElement) : undefined;
  part.replaceChildren(...fresh.childNodes);
  for (const summary of part.querySelectorAll('details > summary')) if (open.has(summary.textContent)) summary.parentElement.open = true;
  for (const box of part.querySelectorAll('.box')) [box.scrollLeft, box.scrollTop] = scrolled.get(box.getAttribute('aria-label')) ?? [0, 0];
  if (focus !== undefined) [...part.querySelectorAll('a, button, summary, input, [tabindex]')].find((one) => nameOf(one) === focus)?.focus({ preventScroll: true });
}

const nameOf = (element) => [element.tagName, element.getAttribute('href'), element.getAttribute('aria-label'), element.tagName === 'A' ? '' : element.textContent.slice(0, 80)].join('|');
