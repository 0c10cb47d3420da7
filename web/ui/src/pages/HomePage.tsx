import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Demo, type DemoSeat, loadDemo } from "../api/demo";
import { Icon } from "../components/Icon";
import { PageFrame } from "../components/PageFrame";
import { formatTime } from "../i18n/format";

/** What this is, how to take part, and on a demonstration server the seats of its hearing. */
export function HomePage() {
  const { t } = useTranslation();
  const [demo, setDemo] = useState<Demo | null>(null);
  const [failed, setFailed] = useState(false);

  useEffect(() => {
    let shown = true;
    loadDemo().then(
      (loaded) => shown && setDemo(loaded),
      () => shown && setFailed(true),
    );
    return () => {
      shown = false;
    };
  }, []);

  return (
    <PageFrame testId="home">
      <section className="hero">
        <h1>{t("home.title")}</h1>
        <p className="lead">{t("home.lead")}</p>
      </section>
      {failed && <p role="alert">{t("home.demoFailed")}</p>}
      {demo !== null && <DemoSection demo={demo} />}
      <section className="card">
        <h2>{t("home.howTitle")}</h2>
        <ol className="steps">
          <li>{t("home.how1")}</li>
          <li>{t("home.how2")}</li>
          <li>{t("home.how3")}</li>
        </ol>
      </section>
      <section className="card row-card">
        <div>
          <h2>{t("home.registryTitle")}</h2>
          <p>{t("home.registryLead")}</p>
        </div>
        <a className="button primary" href={demo?.registry_link ?? "/registry"} data-testid="registry-link">
          <Icon name="document" />
          {t("home.registryLink")}
        </a>
      </section>
    </PageFrame>
  );
}

function DemoSection({ demo }: { demo: Demo }) {
  const { t } = useTranslation();
  const { hearing, seats } = demo;
  return (
    <section className="demo" aria-labelledby="demo-title">
      <h2 id="demo-title">{t("home.demoTitle")}</h2>
      <p>{t("home.demoLead")}</p>
      <p className="demo-hearing">
        <strong>{hearing.case_number}</strong> {hearing.case_title}
        <br />
        {hearing.court}, {hearing.courtroom}. {formatTime(hearing.scheduled_at, t)}
      </p>
      <ul className="seat-cards">
        {seats.map((seat) => (
          <SeatCard key={seat.participant_id} seat={seat} />
        ))}
      </ul>
    </section>
  );
}

function SeatCard({ seat }: { seat: DemoSeat }) {
  const { t } = useTranslation();
  return (
    <li className="card seat-card" data-testid={`seat-${seat.participant_id}`}>
      <p className="seat-role">{t(`role.${seat.role}`)}</p>
      <h3>{seat.name}</h3>
      <p className="seat-place">{t(`place.${seat.place}`)}</p>
      <p className="seat-note">{seat.rehearsal ? t("home.seatRehearsal") : t("home.seatFree")}</p>
      <a
        className="button primary"
        href={seat.link}
        target="_blank"
        rel="noopener"
        aria-label={t("home.joinAs", { name: t(`role.${seat.role}`) })}
      >
        {t("home.join")}
      </a>
    </li>
  );
}
