// Which tab of the browser this is: a reloaded tab keeps its name, a copied one takes another.

const KEPT = "tab";
/** By then a page that is reloaded has let go of its name. */
const UNLOADED_MS = 700;

/** Drawn at random; `crypto.randomUUID` is absent where the page comes from another machine without TLS. */
export function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The name of this tab. Browsers copy it when a tab is duplicated, and two tabs of one name would share a lease. */
export async function claimTab(): Promise<string> {
  const kept = sessionStorage.getItem(KEPT) ?? newId();
  const free = await claim(kept);
  const tab = free ? kept : newId();
  if (!free) await claim(tab);
  sessionStorage.setItem(KEPT, tab);
  return tab;
}

/** Holds a name until the tab goes; false if another tab holds it. */
function claim(tab: string): Promise<boolean> {
  if (!navigator.locks) return Promise.resolve(true); // as above
  return new Promise((answer) => {
    navigator.locks
      .request(`lesslabel-tab-${tab}`, { signal: AbortSignal.timeout(UNLOADED_MS) }, () => {
        answer(true);
        return new Promise<never>(() => undefined);
      })
      .catch(() => answer(false));
  });
}
