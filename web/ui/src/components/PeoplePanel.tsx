import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button, Input, Label, TextField } from "react-aria-components";
import type { CallSession } from "../call/CallSession";
import { conducts, interpretable } from "../call/hearingState";
import type { HearingView } from "../wire/HearingView";
import type { LineQuality } from "../wire/LineQuality";
import type { ParticipantView } from "../wire/ParticipantView";
import { ConfirmDialog, HouseDialog } from "./ConfirmDialog";
import { Icon } from "./Icon";
import { LineMark } from "./LineMark";

type Props = {
  session: CallSession;
  hearing: HearingView;
  you: string | null;
  quality: ReadonlyMap<string, LineQuality>;
};
type NewLink = { name: string; link: string };

/** The bench's list of people: who waits first, then who is in, then who is not here. */
export function PeoplePanel({ session, hearing, you, quality }: Props) {
  const { t } = useTranslation();
  const [newLink, setNewLink] = useState<NewLink | null>(null);
  const [asked, setAsked] = useState<ParticipantView | null>(null);
  const people = hearing.participants;
  const waiting = people.filter(({ presence }) => presence === "waiting");
  const inRoom = people.filter(({ presence }) => presence === "admitted");
  const notHere = people.filter(({ presence }) => presence !== "waiting" && presence !== "admitted");

  const renew = async (person: ParticipantView) => {
    const { error, link } = await session.act({ act: "renew_link", participant: person.id });
    if (error === null && link !== null) setNewLink({ name: person.name, link });
  };
  const linkButton = (person: ParticipantView) => (
    <Button className="button small" data-testid={`renew-${person.id}`} onPress={() => setAsked(person)}>
      <Icon name="link" size={16} />
      {t("bench.newLink")}
    </Button>
  );

  return (
    <section className="panel people-panel" aria-label={t("room.people")}>
      <h2>
        {t("bench.waitingList")} <span className="count">{waiting.length}</span>
      </h2>
      {waiting.length === 0 && <p className="quiet">{t("bench.nobodyWaits")}</p>}
      <ul className="people waiting-people">
        {waiting.map((person) => (
          <Row key={person.id} session={session} hearing={hearing} person={person} you={you}>
            <Button
              className="button primary small"
              data-testid={`admit-${person.id}`}
              onPress={() => void session.act({ act: "admit", participant: person.id })}
            >
              <Icon name="check" size={16} />
              {t("bench.admit")}
            </Button>
            {linkButton(person)}
          </Row>
        ))}
      </ul>
      <h2>
        {t("bench.inRoom")} <span className="count">{inRoom.length}</span>
      </h2>
      <ul className="people">
        {inRoom.map((person) => (
          <Row key={person.id} session={session} hearing={hearing} person={person} you={you} quality={quality.get(person.id)}>
            {person.id !== you && (
              <>
                <Button
                  className="button small"
                  data-testid={`silence-${person.id}`}
                  onPress={() => void session.act({ act: "mute", participant: person.id, muted: !person.muted })}
                >
                  <Icon name={person.muted ? "microphone" : "microphoneOff"} size={16} />
                  {person.muted ? t("bench.unsilence") : t("bench.silence")}
                </Button>
                {!conducts(person.role) && (
                  <Button
                    className="button small"
                    data-testid={`send-back-${person.id}`}
                    onPress={() => void session.act({ act: "send_back", participant: person.id })}
                  >
                    <Icon name="hourglass" size={16} />
                    {t("bench.sendBack")}
                  </Button>
                )}
              </>
            )}
          </Row>
        ))}
      </ul>
      {notHere.length > 0 && (
        <>
          <h2>
            {t("bench.notHere")} <span className="count">{notHere.length}</span>
          </h2>
          <ul className="people">
            {notHere.map((person) => (
              <Row key={person.id} session={session} hearing={hearing} person={person} you={you}>
                {linkButton(person)}
              </Row>
            ))}
          </ul>
        </>
      )}
      <ConfirmDialog
        isOpen={asked !== null}
        title={t("bench.linkTitle", { name: asked?.name ?? "" })}
        text={t("bench.linkAskText")}
        confirm={t("bench.linkAskConfirm")}
        confirmTestId="renew-confirm"
        onConfirm={() => {
          if (asked !== null) void renew(asked);
        }}
        onClose={() => setAsked(null)}
      />
      <LinkDialog newLink={newLink} onClose={() => setNewLink(null)} />
    </section>
  );
}

type RowProps = {
  session: CallSession;
  hearing: HearingView;
  person: ParticipantView;
  you: string | null;
  /** Of the person's line; absent while nothing is known of it. */
  quality?: LineQuality | undefined;
  children: ReactNode;
};

function Row({ session, hearing, person, you, quality, children }: RowProps) {
  const { t } = useTranslation();
  // The heading of the list says it of the others.
  const notHere = person.presence !== "waiting" && person.presence !== "admitted";
  return (
    <li className={`person ${person.presence}`} data-testid={`person-${person.id}`} data-presence={person.presence}>
      <div className="person-words">
        <strong>{person.name}</strong>
        {person.id === you && <em> ({t("room.you")})</em>}
        <span className="person-role">
          {t(`role.${person.role}`)} · {t(`place.${person.place}`)}
          {notHere && <b className="tag">{t(`presence.${person.presence}`)}</b>}
          {person.muted && <b className="tag warn">{t("room.mutedTag")}</b>}
          {person.recorded && <b className="tag rec-tag">{t("bench.beingRecorded")}</b>}
          {quality !== undefined && <LineMark quality={quality} />}
          {person.rehearsal && <b className="tag">{t("bench.rehearsal")}</b>}
        </span>
      </div>
      <div className="person-acts">{children}</div>
      {person.role === "interpreter" && <InterpretsFor session={session} hearing={hearing} interpreter={person} />}
    </li>
  );
}

type InterpretsForProps = { session: CallSession; hearing: HearingView; interpreter: ParticipantView };

/** Says for whom an interpreter interprets from now on. It shows what the server says, so that a refusal changes nothing. */
function InterpretsFor({ session, hearing, interpreter }: InterpretsForProps) {
  const { t } = useTranslation();
  const set = (of: string | null) => void session.act({ act: "set_interpretation", interpreter: interpreter.id, of });
  return (
    <label className="interprets-for">
      <span>{t("room.interpretsFor")}</span>
      <select
        className="select-button"
        data-testid={`interprets-for-${interpreter.id}`}
        value={interpreter.interprets ?? ""}
        onChange={({ currentTarget: { value } }) => set(value === "" ? null : value)}
      >
        <option value="">{t("bench.interpretsForNobody")}</option>
        {interpretable(hearing).map(({ id, name, role }) => (
          <option key={id} value={id}>
            {name}, {t(`role.${role}`)}
          </option>
        ))}
      </select>
    </label>
  );
}

function LinkDialog({ newLink, onClose }: { newLink: NewLink | null; onClose: () => void }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState<string | null>(null);
  const link = newLink?.link ?? "";
  return (
    <HouseDialog isOpen={newLink !== null} title={t("bench.linkTitle", { name: newLink?.name ?? "" })} onClose={onClose}>
      <p>{t("bench.linkText")}</p>
      <TextField className="field" value={link} isReadOnly>
        <Label>{t("bench.link")}</Label>
        <Input data-testid="new-link" onFocus={(event) => event.currentTarget.select()} />
      </TextField>
      <div className="dialog-buttons">
        <Button
          className="button primary"
          data-testid="copy-link"
          onPress={() => void navigator.clipboard.writeText(link).then(() => setCopied(link))}
        >
          <Icon name="link" />
          {copied === link ? t("bench.copied") : t("bench.copy")}
        </Button>
        <Button className="button" onPress={onClose}>
          {t("app.close")}
        </Button>
      </div>
    </HouseDialog>
  );
}
