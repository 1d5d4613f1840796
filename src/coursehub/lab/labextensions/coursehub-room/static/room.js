// Says how much room the home has once there is little, and warns when there is almost none.
//
// A prebuilt JupyterLab extension without a build step, as lease.js.
(() => {
  const ASK_SECONDS = 60;
  const STYLE = `
    .coursehub-room { padding: 0 8px; line-height: 24px; font-size: var(--jp-ui-font-size1);
      white-space: nowrap; color: var(--jp-ui-font-color1); }
    body > .coursehub-room { position: fixed; left: 0; bottom: 0; z-index: 1000;
      background: var(--jp-layout-color2); }
    .coursehub-room-warning { position: fixed; right: 16px; bottom: 40px; z-index: 10000;
      max-width: min(26rem, calc(100vw - 32px)); box-sizing: border-box; padding: 16px;
      border-left: 6px solid var(--jp-warn-color1); border-radius: 4px;
      background: var(--jp-layout-color1); color: var(--jp-ui-font-color1);
      box-shadow: var(--jp-elevation-z12); font-size: var(--jp-ui-font-size2); line-height: 1.45; }
    .coursehub-room-warning p { margin: 0 0 12px; }
    .coursehub-room-warning a { color: var(--jp-content-link-color); margin-right: 16px; }
  `;
  const WARNINGS = {
    almost: "Your home is almost full. Soon nothing more can be saved.",
    full: "Your home is full: nothing can be saved before you delete something. " +
      "What is on the disk stays as it is.",
  };

  const pageToken = () => (document.cookie.match(/\b_xsrf=([^;]*)/) || ["", ""])[1];

  const element = (name, className, text) => {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  };

  const pageLink = (base, className, text) => {
    const link = element("a", className, text);
    link.href = `${base}coursehub/room`;
    link.target = "coursehub-room"; // one tab, however often it is followed
    return link;
  };

  const showLine = (base, text) => {
    const line = document.querySelector("a.coursehub-room") || pageLink(base, "coursehub-room", "");
    if (line.textContent !== text) line.textContent = text;
    line.hidden = !text;
    const bar = document.querySelector("#jp-main-statusbar .jp-StatusBar-Left");
    const parent = bar && bar.offsetParent ? bar : document.body;
    if (line.parentNode !== parent) parent.append(line);
  };

  const warn = (base, text) => {
    document.querySelector(".coursehub-room-warning")?.remove();
    const box = element("div", "coursehub-room-warning", "");
    box.setAttribute("role", "alert");
    document.body.append(box); // first: readers announce what is added to an alert
    const button = element("button", "jp-mod-styled jp-mod-accept", "OK");
    button.addEventListener("click", () => box.remove());
    box.append(element("p", "", text), pageLink(base, "", "What can be deleted"), button);
  };

  const activate = () => {
    const base = JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl;
    const style = document.createElement("style");
    style.textContent = STYLE;
    document.head.append(style);
    let told = "";
    const ask = async () => {
      try {
        const headers = { "X-XSRFToken": pageToken() };
        const answer = await fetch(`${base}coursehub/room/status`, { cache: "no-store", headers });
        if (!answer.ok) return;
        const { level, text } = await answer.json();
        showLine(base, level === "fine" ? "" : text);
        if (level !== told && WARNINGS[level]) warn(base, WARNINGS[level]);
        if (level === "fine" || level === "nearly")
          document.querySelector(".coursehub-room-warning")?.remove();
        told = level;
      } catch { /* the server is away; JupyterLab says so itself */ }
    };
    ask();
    setInterval(ask, ASK_SECONDS * 1000);
  };

  const plugin = { id: "coursehub-room:room", autoStart: true, activate };
  (window._JUPYTERLAB = window._JUPYTERLAB || {})["coursehub-room"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
