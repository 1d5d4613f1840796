// A link to the course page at the end of JupyterLab's menu bar.
//
// A prebuilt JupyterLab extension without a build step, as deadlines.js.
(() => {
  const STYLE = `
    .coursehub-home { margin-left: auto; padding: 0 12px; align-self: center; white-space: nowrap;
      color: var(--jp-content-link-color); font-size: var(--jp-ui-font-size1); }
    #jp-top-panel > .coursehub-home { order: 99; }
  `;

  const address = () => {
    const config = JSON.parse(document.getElementById("jupyter-config-data").textContent);
    return `${config.hubHost || ""}${(config.hubPrefix || "/hub/").replace(/hub\/$/, "")}services/course/`;
  };

  const show = () => {
    const panel = document.getElementById("jp-top-panel") || document.body;
    const style = document.createElement("style");
    style.textContent = STYLE;
    document.head.append(style);
    const link = document.createElement("a");
    link.className = "coursehub-home";
    link.href = address();
    link.target = "coursehub-home"; // one tab, however often it is followed
    link.textContent = "Course page";
    panel.append(link);
  };

  // The menu bar is there only once JupyterLab has started.
  const activate = (app) => void app.started.then(show);
  const plugin = { id: "coursehub-home:link", autoStart: true, activate };
  (window._JUPYTERLAB = window._JUPYTERLAB || {})["coursehub-home"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
