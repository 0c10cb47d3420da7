import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Button, Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";

type Props = {
  isOpen: boolean;
  title: string;
  text: string;
  confirm: string;
  confirmTestId: string;
  onConfirm: () => void;
  onClose: () => void;
};

/** Asks before something that cannot be undone, or not easily. */
export function ConfirmDialog({ isOpen, title, text, confirm, confirmTestId, onConfirm, onClose }: Props) {
  const { t } = useTranslation();
  return (
    <HouseDialog isOpen={isOpen} title={title} onClose={onClose} role="alertdialog">
      <p>{text}</p>
      <div className="dialog-buttons">
        <Button className="button" autoFocus onPress={onClose}>
          {t("room.cancel")}
        </Button>
        <Button
          className="button danger"
          data-testid={confirmTestId}
          onPress={() => {
            onClose();
            onConfirm();
          }}
        >
          {confirm}
        </Button>
      </div>
    </HouseDialog>
  );
}

type HouseDialogProps = {
  isOpen: boolean;
  title: string;
  role?: "dialog" | "alertdialog";
  onClose: () => void;
  children: ReactNode;
};

/** A modal dialog in the house's look. */
export function HouseDialog({ isOpen, title, role = "dialog", onClose, children }: HouseDialogProps) {
  return (
    <ModalOverlay
      className="modal-overlay"
      isOpen={isOpen}
      isDismissable
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
    >
      <Modal className="modal">
        <Dialog className="dialog" role={role}>
          <Heading slot="title" level={2}>
            {title}
          </Heading>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
