import { useTranslation } from "react-i18next";
import { Button, Label, ListBox, ListBoxItem, Popover, Select, SelectValue } from "react-aria-components";
import type { DeviceChoice } from "../call/LocalDevices";
import { Icon } from "./Icon";

type Props = {
  label: string;
  choices: readonly DeviceChoice[];
  selected: string;
  onSelect: (id: string) => void;
};

/** Chooses one of several devices; shows nothing where there is no choice. */
export function DeviceSelect({ label, choices, selected, onSelect }: Props) {
  const { t } = useTranslation();
  if (choices.length < 2) return null;
  const known = choices.some(({ id }) => id === selected) ? selected : choices[0]?.id;
  return (
    <Select className="select" value={known ?? null} onChange={(key) => key !== null && onSelect(String(key))}>
      <Label>{label}</Label>
      <Button className="select-button">
        <SelectValue className="select-value" />
        <Icon name="chevron" size={18} />
      </Button>
      <Popover className="popover">
        <ListBox className="listbox">
          {choices.map((choice, index) => {
            const name = choice.label === "" ? t("selftest.unnamed", { number: index + 1 }) : choice.label;
            return (
              <ListBoxItem key={choice.id} id={choice.id} className="listbox-item" textValue={name}>
                {name}
              </ListBoxItem>
            );
          })}
        </ListBox>
      </Popover>
    </Select>
  );
}
