// Refreshes what is shown in place: what has the focus, is open, chosen or selected stays so. A page that can't be
// refreshed says so, for old values that look fresh are worse than none.
(() => {
  const seconds = Number(document.documentElement.dataset.refresh);
  if (!seconds) return;

  const place = (element) => {
    const home = element.closest("[id]");
    return { id: home.id, tag: element.tagName, index: [home, ...home.querySelectorAll(element.tagName)].indexOf(element) };
  };
  const at = ({ id, tag, index }) => {
    const home = document.getElementById(id);
    return home && [home, ...home.querySelectorAll(tag)][index];
  };
  const swap = (id, page) => {
    const old = document.getElementById(id), fresh = page.getElementById(id);
    if (!old || !fresh) return;
    for (const details of old.querySelectorAll("details[id]")) {
      const same = fresh.querySelector(`details[id="${CSS.escape(details.id)}"]`);
      if (same) same.open = details.open;
    }
    const focused = old.contains(document.activeElement) ? place(document.activeElement) : null;
    old.replaceWith(document.adoptNode(fresh));
    if (focused) at(focused)?.focus({ preventScroll: true });
  };
  const isBusy = () => {
    const form = document.querySelector("form"), selection = getSelection();
    const chosen = form && [...form.querySelectorAll("select")].some((one) => !one.selectedOptions[0]?.defaultSelected && one.selectedIndex > 0);
    return { form: form && (chosen || form.contains(document.activeElement)), text: selection && !selection.isCollapsed };
  };
  const refresh = async () => {
    const busy = isBusy(), late = document.getElementById("late");
    try {
      if (document.hidden || busy.text) return;
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) throw new Error(`it answered ${answer.status}`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of ["nav", "summary", "live", "foot"]) swap(id, page);
      if (!busy.form) swap("filter", page);
      document.title = page.title;
      document.querySelector("link[rel=icon]").href = page.querySelector("link[rel=icon]").href;
      late.hidden = true;
    } catch (error) {
      late.hidden = false;
      late.textContent = `Not refreshed since ${document.getElementById("time").textContent}: the exporter can't be reached (${error.message}). What is shown is old.`;
    } finally {
      setTimeout(refresh, seconds * 1000);
    }
  };
  setTimeout(refresh, seconds * 1000);
})();
