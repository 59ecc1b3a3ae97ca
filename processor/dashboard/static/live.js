"use strict";
// Elements with data-live are fetched from there: every data-every seconds while the page is seen, or once.

async function refresh(element) {
  if (document.hidden && element.dataset.every) return;
  if (element.contains(document.activeElement) && document.activeElement.matches("input, select, button")) return;
  try {
    const answer = await fetch(element.dataset.live);
    const text = await answer.text();
    const parsed = new DOMParser().parseFromString(text, "text/html");
    const part = answer.ok ? parsed.body : parsed.querySelector("main");
    const focused = element.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    element.replaceChildren(...part.childNodes);
    element.classList.remove("stale");
    if (focused) element.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  } catch {
    element.classList.add("stale");
  }
}

for (const element of document.querySelectorAll("[data-live]")) {
  const seconds = Number(element.dataset.every || 0);
  if (!seconds) {
    refresh(element);
    continue;
  }
  const again = async () => {
    await refresh(element);
    setTimeout(again, seconds * 1000);
  };
  setTimeout(again, seconds * 1000);
}
