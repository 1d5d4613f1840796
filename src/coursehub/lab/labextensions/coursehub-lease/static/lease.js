// Says until when this server has its GPU, and warns 15 and 5 minutes before the end.
//
// A prebuilt JupyterLab extension without a build step, as deadlines.js of the exchange.
(() => {
  const WARN_MINUTES = [15, 5];
  const CHECK_SECONDS = 2;
  const MINUTE = 60000;
  const STYLE = `
    .coursehub-lease { padding: 0 8px; line-height: 24px; font-size: var(--jp-ui-font-size1);
      color: var(--jp-ui-font-color1); white-space: nowrap; }
    body > .coursehub-lease { position: fixed; right: 0; bottom: 0; z-index: 1000;
      background: var(--jp-layout-color2); }
    .coursehub-lease-warning { position: fixed; right: 16px; bottom: 40px; z-index: 10000;
      max-width: min(26rem, calc(100vw - 32px)); box-sizing: border-box; padding: 16px;
      border-left: 6px solid var(--jp-warn-color1); border-radius: 4px;
      background: var(--jp-layout-color1); color: var(--jp-ui-font-color1);
      box-shadow: var(--jp-elevation-z12); font-size: var(--jp-ui-font-size2); line-height: 1.45; }
    .coursehub-lease-warning p { margin: 0 0 12px; }
  `;

  const page = () => JSON.parse(document.getElementById("jupyter-config-data").textContent);

  // The server's clock: a laptop's may be minutes off.
  const clockError = async (baseUrl) => {
    try {
      const date = (await fetch(`${baseUrl}api`, { cache: "no-store" })).headers.get("Date");
      return date ? Date.parse(date) - Date.now() : 0;
    } catch {
      return 0;
    }
  };

  const element = (name, className, text) => {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  };

  const showLine = (text) => {
    const line = element("div", "coursehub-lease", text);
    line.setAttribute("role", "status");
    const place = () => {
      const bar = document.querySelector("#jp-main-statusbar .jp-StatusBar-Middle");
      const parent = bar && bar.offsetParent ? bar : document.body;
      if (line.parentNode !== parent) parent.append(line);
    };
    place();
    return { place, say: (words) => { if (line.textContent !== words) line.textContent = words; } };
  };

  const warn = (text) => {
    document.querySelector(".coursehub-lease-warning")?.remove();
    const box = element("div", "coursehub-lease-warning", "");
    box.setAttribute("role", "alert");
    document.body.append(box); // first: readers announce what is added to an alert
    const button = element("button", "jp-mod-styled jp-mod-accept", "OK");
    button.addEventListener("click", () => box.remove());
    box.append(element("p", "", text), button);
  };

  const warning = (minutes, text) =>
    `Less than ${minutes} minutes left with the GPU. At ${text} this server stops and the GPU goes ` +
    "to the next. Save your notebooks now: files are kept, variables are not.";

  const activate = async () => {
    const config = page();
    const lease = config.coursehubLease;
    if (!lease) return;
    const style = document.createElement("style");
    style.textContent = STYLE;
    document.head.append(style);
    const line = showLine(`GPU until ${lease.text}`);
    const error = await clockError(config.baseUrl);
    let warnings = [...WARN_MINUTES];
    const check = () => {
      line.place();
      const left = Date.parse(lease.until) - (Date.now() + error);
      const due = warnings.filter((minutes) => left <= minutes * MINUTE);
      warnings = warnings.filter((minutes) => !due.includes(minutes));
      if (left <= 0) line.say(`The time with the GPU ended: ${lease.text}`);
      else if (due.length) warn(warning(Math.min(...due), lease.text));
    };
    check();
    setInterval(check, CHECK_SECONDS * 1000);
  };

  const plugin = { id: "coursehub-lease:lease", autoStart: true, activate };
  (window._JUPYTERLAB = window._JUPYTERLAB || {})["coursehub-lease"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
