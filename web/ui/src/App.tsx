import { useTranslation } from "react-i18next";
import { I18nProvider } from "react-aria-components";
import { Route, Routes } from "react-router";
import { CasePage } from "./pages/CasePage";
import { HomePage } from "./pages/HomePage";
import { JoinPage } from "./pages/JoinPage";
import { NotFoundPage } from "./pages/NotFoundPage";
import { RegistryPage } from "./pages/RegistryPage";

/** The pages by their address. */
export function App() {
  const { i18n } = useTranslation();
  return (
    <I18nProvider locale={i18n.language}>
      <Routes>
        <Route path="/" element={<HomePage />} />
        <Route path="/j/:token" element={<JoinPage />} />
        <Route path="/registry" element={<RegistryPage />} />
        <Route path="/registry/cases/:number" element={<CasePage />} />
        <Route path="*" element={<NotFoundPage />} />
      </Routes>
    </I18nProvider>
  );
}
