// Returns what is wrong with the page: WCAG 2.2 1.4.3 (contrast), 1.4.10 (reflow), 2.5.8 (target size), 4.1.2 (names).
() => {
  const wrong = [];
  const name = (e) => `${e.tagName.toLowerCase()}#${e.id || e.name || ""} "${(e.textContent || "").trim().slice(0, 30)}"`;
  const shown = (e) => e.checkVisibility({ checkVisibilityCSS: true }) && e.getBoundingClientRect().width > 1;

  if (document.documentElement.scrollWidth > document.documentElement.clientWidth)
    wrong.push(`wider than the screen: ${document.documentElement.scrollWidth}`);
  if (document.querySelectorAll("h1").length !== 1) wrong.push("not one h1");
  if (!document.documentElement.lang) wrong.push("no language");

  for (const field of document.querySelectorAll("input:not([type=hidden]), select"))
    if (shown(field) && !(field.labels || []).length) wrong.push(`no label: ${name(field)}`);
  for (const one of document.querySelectorAll("button, .button, input:not([type=hidden]), select"))
    if (shown(one) && one.getBoundingClientRect().height < 43.5) wrong.push(`small: ${name(one)}`);

  const numbers = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || seen.has(e) || !shown(e) || e.closest("noscript, script")) continue;
    seen.add(e);
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) wrong.push(`contrast ${ratio.toFixed(2)}: ${name(e)}`);
  }
  return wrong;
}
