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
    say(part.querySelector("[data-say]")?.dataset.say);
    element.replaceChildren(...part.childNodes);
    element.classList.remove("stale");
    if (focused) element.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  } catch {
    element.classList.add("stale");
  }
}

// Screen readers are told only what matters and is new.
function say(text) {
  const told = document.getElementById("told");
  if (told && text !== undefined && told.textContent !== text.trim()) told.textContent = text.trim();
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
