import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { PageFrame } from "../components/PageFrame";
import { type CaseRow, loadCases } from "../registry/api";
import { CaseKind } from "../registry/CaseKind";
import { RegistryGate } from "../registry/RegistryGate";
import { useRegistry } from "../registry/useRegistry";

/** The list of cases. */
export function RegistryPage() {
  const { t } = useTranslation();
  const [loaded, again] = useRegistry(loadCases);
  return (
    <PageFrame testId="registry">
      <h1>{t("registry.title")}</h1>
      <RegistryGate loaded={loaded} onAgain={again}>
        {(cases) => <CaseTable cases={cases} />}
      </RegistryGate>
    </PageFrame>
  );
}

function CaseTable({ cases }: { cases: CaseRow[] }) {
  const { t } = useTranslation();
  if (cases.length === 0) return <p>{t("registry.noCases")}</p>;
  return (
    <div className="table-scroll">
      <table className="table">
        <caption className="visually-hidden">{t("registry.cases")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("registry.number")}</th>
            <th scope="col">{t("registry.caseTitle")}</th>
            <th scope="col">{t("registry.kind")}</th>
            <th scope="col">{t("registry.court")}</th>
            <th scope="col">{t("registry.recordings")}</th>
          </tr>
        </thead>
        <tbody>
          {cases.map((row) => (
            <tr key={row.number} data-testid="registry-case" data-number={row.number}>
              <th scope="row">
                <Link to={`/registry/cases/${encodeURIComponent(row.number)}`}>{row.number}</Link>
              </th>
              <td>{row.title}</td>
              <td>
                <CaseKind kind={row.kind} />
              </td>
              <td>{row.court}</td>
              <td>{row.packages}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
