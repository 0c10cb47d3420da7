import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "react-aria-components";
import type { CallSession } from "../call/CallSession";
import { ConfirmDialog } from "./ConfirmDialog";
import { Icon } from "./Icon";

/** The person's own microphone and camera, and the way out: always there, also while reconnecting. */
export function ControlBar({ session, publishes }: { session: CallSession; publishes: boolean }) {
  const { t } = useTranslation();
  const [leaving, setLeaving] = useState(false);
  const muted = session.isMuted;
  const cameraOff = session.isCameraOff;
  return (
    <footer className="control-bar" role="toolbar" aria-label={t("room.controls")}>
      {publishes && (
        <>
          <Button
            className={muted ? "control off" : "control"}
            data-testid="mute"
            data-muted={muted}
            onPress={() => session.setMuted(!muted)}
          >
            <Icon name={muted ? "microphoneOff" : "microphone"} size={26} />
            <span>{muted ? t("room.unmute") : t("room.mute")}</span>
          </Button>
          <Button
            className={cameraOff ? "control off" : "control"}
            data-testid="camera"
            onPress={() => session.setCameraOff(!cameraOff)}
          >
            <Icon name={cameraOff ? "cameraOff" : "camera"} size={26} />
            <span>{cameraOff ? t("room.cameraOn") : t("room.cameraOff")}</span>
          </Button>
        </>
      )}
      <Button className="control leave" data-testid="leave" onPress={() => setLeaving(true)}>
        <Icon name="leave" size={26} />
        <span>{t("room.leave")}</span>
      </Button>
      <ConfirmDialog
        isOpen={leaving}
        title={t("room.leaveTitle")}
        text={t("room.leaveText")}
        confirm={t("room.leaveConfirm")}
        confirmTestId="leave-confirm"
        onConfirm={() => session.leave()}
        onClose={() => setLeaving(false)}
      />
    </footer>
  );
}
