import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Button, Label, ListBox, ListBoxItem, Popover, Select, SelectValue } from "react-aria-components";
import type { CallSession } from "../call/CallSession";
import type { HearingView } from "../wire/HearingView";
import type { Stage } from "../wire/Stage";
import { ConfirmDialog } from "./ConfirmDialog";
import { Icon } from "./Icon";

/** Stages that the bench marks itself; recess and closing are marked by their own acts. */
const MARKABLE: readonly Stage[] = [
  "opened",
  "composition_announced",
  "rights_explained",
  "oath",
  "charge_read",
  "evidence",
  "witness_heard",
  "pleadings",
  "last_word",
  "deliberation",
  "decision_announced",
];

/** Opens, records, adjourns, marks and closes: for judge and clerk. */
export function SessionControls({ session, hearing }: { session: CallSession; hearing: HearingView }) {
  const { t } = useTranslation();
  const [closing, setClosing] = useState(false);
  const { state, on_record: onRecord } = hearing;
  return (
    <section className="panel session-panel" aria-label={t("room.session")}>
      <div className="session-buttons">
        {(state === "lobby" || state === "scheduled") && (
          <Button className="button primary" data-testid="start-session" onPress={() => void session.act({ act: "start" })}>
            <Icon name="play" />
            {t("bench.start")}
          </Button>
        )}
        {state === "in_session" && !onRecord && (
          <Button
            className="button record"
            data-testid="record-on"
            isDisabled={hearing.record_fault !== null}
            onPress={() => void session.act({ act: "record", on: true })}
          >
            <span className="rec-dot" />
            {t("bench.recordOn")}
          </Button>
        )}
        {state === "in_session" && onRecord && (
          <Button className="button" data-testid="record-off" onPress={() => void session.act({ act: "record", on: false })}>
            <Icon name="pause" />
            {t("bench.recordOff")}
          </Button>
        )}
        {state === "in_session" && (
          <Button className="button" data-testid="recess" onPress={() => void session.act({ act: "recess", on: true })}>
            <Icon name="clock" />
            {t("bench.recess")}
          </Button>
        )}
        {state === "recess" && (
          <Button className="button primary" data-testid="resume" onPress={() => void session.act({ act: "recess", on: false })}>
            <Icon name="play" />
            {t("bench.resume")}
          </Button>
        )}
        <Button className="button danger-outline" data-testid="close-hearing" onPress={() => setClosing(true)}>
          <Icon name="gate" />
          {t("bench.close")}
        </Button>
      </div>
      {state === "in_session" && onRecord && <StageMarker session={session} marked={hearing.stage} />}
      <ConfirmDialog
        isOpen={closing}
        title={t("bench.closeTitle")}
        text={t("bench.closeText")}
        confirm={t("bench.closeConfirm")}
        confirmTestId="close-confirm"
        onConfirm={() => void session.act({ act: "close" })}
        onClose={() => setClosing(false)}
      />
    </section>
  );
}

function StageMarker({ session, marked }: { session: CallSession; marked: Stage | null }) {
  const { t } = useTranslation();
  const next = MARKABLE[MARKABLE.findIndex((stage) => stage === marked) + 1] ?? "opened";
  const [picked, setPicked] = useState<Stage | null>(null);
  const stage = picked ?? next;
  return (
    <div className="stage-marker">
      <Select
        className="select"
        value={stage}
        onChange={(key) => setPicked(MARKABLE.find((known) => known === key) ?? null)}
      >
        <Label>{t("bench.stageLabel")}</Label>
        <Button className="select-button" data-testid="stage-select">
          <SelectValue className="select-value" />
          <Icon name="chevron" size={18} />
        </Button>
        <Popover className="popover">
          <ListBox className="listbox">
            {MARKABLE.map((known) => (
              <ListBoxItem key={known} id={known} className="listbox-item" textValue={t(`stage.${known}`)}>
                {t(`stage.${known}`)}
              </ListBoxItem>
            ))}
          </ListBox>
        </Popover>
      </Select>
      <Button
        className="button"
        data-testid="mark-stage"
        onPress={() => {
          setPicked(null);
          void session.act({ act: "mark", stage });
        }}
      >
        {t("bench.mark")}
      </Button>
    </div>
  );
}
