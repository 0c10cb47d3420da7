import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "react-aria-components";
import { Link, useParams } from "react-router";
import { Icon } from "../components/Icon";
import { PageFrame } from "../components/PageFrame";
import { formatTime } from "../i18n/format";
import { type CaseFile, loadCase } from "../registry/api";
import { CaseKind } from "../registry/CaseKind";
import { PackageView } from "../registry/PackageView";
import { RegistryGate } from "../registry/RegistryGate";
import { RoleName } from "../registry/RoleName";
import { useRegistry } from "../registry/useRegistry";

/** One case: what it is, who takes part, its hearings and their recordings. */
export function CasePage() {
  const { t } = useTranslation();
  const { number = "" } = useParams();
  const load = useCallback(() => loadCase(number), [number]);
  const [loaded, again] = useRegistry(load);
  return (
    <PageFrame testId="case">
      <p>
        <Link to="/registry">{t("registry.back")}</Link>
      </p>
      <RegistryGate loaded={loaded} onAgain={again}>
        {(file) => <CaseFileView file={file} />}
      </RegistryGate>
    </PageFrame>
  );
}

function CaseFileView({ file }: { file: CaseFile }) {
  const { t } = useTranslation();
  const [only] = file.packages;
  const [open, setOpen] = useState<string | null>(file.packages.length === 1 ? (only?.key ?? null) : null);
  return (
    <>
      <h1>
        {file.number}. {file.title}
      </h1>
      <dl className="facts">
        <div>
          <dt>{t("registry.kind")}</dt>
          <dd>
            <CaseKind kind={file.kind} />
          </dd>
        </div>
        <div>
          <dt>{t("registry.court")}</dt>
          <dd>{file.court}</dd>
        </div>
      </dl>
      <div className="case-columns">
        <section className="card">
          <h2>{t("registry.parties")}</h2>
          <ul className="plain-list">
            {file.parties.map((party, index) => (
              <li key={index}>
                <strong>{party.name}</strong>
                <span>
                  <RoleName role={party.role} />
                </span>
              </li>
            ))}
          </ul>
        </section>
        <section className="card">
          <h2>{t("registry.schedule")}</h2>
          {file.schedule.length === 0 && <p>{t("registry.noSchedule")}</p>}
          <ul className="plain-list">
            {file.schedule.map((entry) => (
              <li key={entry.hearing_id}>
                <strong>{formatTime(entry.at, t)}</strong>
                <span>{entry.courtroom}</span>
              </li>
            ))}
          </ul>
        </section>
      </div>
      <h2>{t("registry.packages")}</h2>
      {file.packages.length === 0 && <p>{t("registry.noPackages")}</p>}
      {file.packages.map(({ key, received_at, hearing_id }) => {
        const scheduled = file.schedule.find((entry) => entry.hearing_id === hearing_id);
        return (
          <section key={key} className="card package" data-testid="package" data-key={key}>
            <header className="package-head">
              <div>
                <h3>{t("registry.hearing", { date: formatTime(scheduled?.at ?? received_at, t) })}</h3>
                <p>
                  {t("registry.received")}: {formatTime(received_at, t)}
                </p>
              </div>
              {open !== key && (
                <Button className="button primary" data-testid={`open-package-${key}`} onPress={() => setOpen(key)}>
                  <Icon name="play" />
                  {t("registry.openPackage")}
                </Button>
              )}
            </header>
            {open === key && <PackageView packageKey={key} />}
          </section>
        );
      })}
    </>
  );
}
