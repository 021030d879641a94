// What a person meets on the status page, in Chromium: node status_page.mjs MODULES CHROMIUM URL all|size|refreshing
// Prints JSON. MODULES is a node_modules folder with playwright-core and axe-core.
import { createRequire } from "node:module";

const [modules, executablePath, url, mode] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const said = [];

async function open(options) {
  const context = await browser.newContext({ bypassCSP: true, ...options });
  const page = await context.newPage();
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("requestfailed", (request) => said.push(`failed: ${request.url()}`));
  await page.goto(url);
  return page;
}

async function size(page) {
  return page.evaluate(() => ({
    height: document.documentElement.scrollHeight,
    width: document.documentElement.scrollWidth,
    stops: [...document.querySelectorAll("a, summary, select, button")].filter((one) => one.checkVisibility()).length,
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  }));
}

async function look(options) {
  const page = await open(options);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  const sizes = await size(page);
  await page.context().close();
  return { ...sizes, violations: violations.map((one) => `${one.id}: ${one.nodes[0].target}`) };
}

async function all() {
  return {
    light: await look({ colorScheme: "light" }),
    dark: await look({ colorScheme: "dark" }),
    phone: await look({ viewport: { width: 360, height: 740 } }),
    plain: await (await open({ javaScriptEnabled: false })).locator("h1").count(),
  };
}

async function refreshing() {
  const page = await open();
  const time = () => page.locator("#time").textContent();
  const refreshed = async (before) => page.waitForFunction((old) => document.getElementById("time").textContent !== old, before);
  await page.locator("details.home summary").first().click();
  await page.locator("details.home a").first().focus();
  const focused = await page.evaluate(() => document.activeElement.href);
  await refreshed(await time());
  const kept = await page.evaluate(() => [document.activeElement.href, document.querySelector("details.home").open]);
  await page.locator("select[name=database]").selectOption({ index: 2 });
  const chosen = await page.locator("select[name=database]").inputValue();
  await refreshed(await time());
  const still = await page.locator("select[name=database]").inputValue();
  await page.route("**/*", (route) => route.abort());
  await page.locator("#late").waitFor({ state: "visible" });
  return { focused, kept, chosen, still, late: await page.locator("#late").textContent() };
}

try {
  const answer = await { all, refreshing, size: async () => size(await open()) }[mode]();
  process.stdout.write(JSON.stringify({ ...answer, said }));
} finally {
  await browser.close();
}
