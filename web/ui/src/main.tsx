import "./styles/base.css";
import "./styles/controls.css";
import "./styles/pages.css";
import "./styles/room.css";
import "./styles/player.css";
import "./styles/registry.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { App } from "./App";
import { initI18n } from "./i18n";

initI18n();

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <BrowserRouter>
        <App />
      </BrowserRouter>
    </StrictMode>,
  );
}
