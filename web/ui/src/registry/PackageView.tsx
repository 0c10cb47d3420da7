import { useCallback, useEffect, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { RequestError } from "../api/http";
import { currentLanguage } from "../i18n";
import { formatSize, formatTime } from "../i18n/format";
import { PlayerControls } from "../player/PlayerControls";
import { PlayerWall } from "../player/PlayerWall";
import { browserClock, RecordPlayer } from "../player/RecordPlayer";
import { type Voice, VoiceRows } from "../player/VoiceRows";
import { fileUrl, loadPackage, loadProtocol, type Package, type Protocol, type ProtocolPerson } from "./api";
import { ProtocolLines } from "./ProtocolLines";
import { RegistryGate } from "./RegistryGate";
import { RoomFilm } from "./RoomFilm";
import { useRegistry } from "./useRegistry";

type Contents = { pack: Package; protocol: Protocol | null };

const DOCUMENTS = /^documents\/protocol\.(html|docx|json)$/;

/** One package: the record played together, its protocol, its documents and hashes. */
export function PackageView({ packageKey }: { packageKey: string }) {
  const load = useCallback(async (): Promise<Contents> => {
    const [pack, protocol] = await Promise.all([
      loadPackage(packageKey),
      loadProtocol(packageKey).catch((error: unknown) => {
        // A package may come without a protocol; anything else is a fault.
        if (error instanceof RequestError && error.code === "not_found") return null;
        throw error;
      }),
    ]);
    return { pack, protocol };
  }, [packageKey]);
  const [loaded, again] = useRegistry(load);
  return (
    <RegistryGate loaded={loaded} onAgain={again}>
      {(contents) => <PackageContents {...contents} />}
    </RegistryGate>
  );
}

function PackageContents({ pack, protocol }: Contents) {
  const { t } = useTranslation();
  return (
    <div className="package-body">
      <dl className="facts">
        <div>
          <dt>{t("registry.receipt")}</dt>
          <dd className="mono" data-testid="receipt">
            {pack.receipt}
          </dd>
        </div>
        <div>
          <dt>{t("registry.packageKey")}</dt>
          <dd className="mono">{pack.key}</dd>
        </div>
        {protocol?.hearing.opened_at != null && (
          <div>
            <dt>{t("registry.opened")}</dt>
            <dd>{formatTime(protocol.hearing.opened_at, t)}</dd>
          </div>
        )}
        {protocol?.hearing.closed_at != null && (
          <div>
            <dt>{t("registry.closed")}</dt>
            <dd>{formatTime(protocol.hearing.closed_at, t)}</dd>
          </div>
        )}
      </dl>
      {protocol === null ? (
        <p>{t("registry.noProtocol")}</p>
      ) : (
        <>
          <PlayedProtocol packageKey={pack.key} protocol={protocol} />
          <RoomFilm packageKey={pack.key} language={protocol.hearing.language} />
          <div className="case-columns">
            <People title={t("registry.present")} people={protocol.present} />
            <People title={t("registry.absent")} people={protocol.absent} />
          </div>
        </>
      )}
      <Files pack={pack} />
    </div>
  );
}

function PlayedProtocol({ packageKey, protocol }: { packageKey: string; protocol: Protocol }) {
  const { t } = useTranslation();
  const player = useRecordPlayer(protocol);
  const people = peopleOfRecord(protocol);
  return (
    <div className="played">
      {protocol.record.length > 0 ? (
        <PlayerControls player={player} stages={protocol.stages}>
          <PlayerWall
            player={player}
            people={people}
            files={protocol.record}
            lines={protocol.lines}
            address={(file) => fileUrl(packageKey, file.playback ?? file.file)}
          />
          <VoiceRows player={player} voices={people} onChoose={(person) => player.setPerson(person)} />
        </PlayerControls>
      ) : (
        <p>{t("player.noRecord")}</p>
      )}
      <ProtocolLines
        player={player}
        lines={protocol.lines}
        language={protocol.hearing.language}
        onPlay={(ms) => player.playFrom(ms)}
      />
    </div>
  );
}

/** Everybody who has a file in the record, in the order of those present. */
function peopleOfRecord({ present, record }: Protocol): Voice[] {
  const recorded = new Map(record.map(({ participant, name }) => [participant, name]));
  const known = present.filter(({ id }) => recorded.delete(id));
  const unlisted = [...recorded].map(([id, name]) => ({ id, name, role: null }));
  return [...known, ...unlisted];
}

function useRecordPlayer({ record, lines }: Protocol): RecordPlayer {
  const player = useMemo(() => {
    const segments = record.map(({ file, participant, source, starts_ms, ends_ms }) => ({
      id: file,
      startsMs: starts_ms,
      endsMs: ends_ms,
      person: participant,
      sound: source === "microphone",
    }));
    const lastLineMs = Math.max(0, ...lines.map(({ end_ms }) => end_ms));
    return new RecordPlayer(segments, lastLineMs, browserClock);
  }, [record, lines]);
  useEffect(() => () => player.pause(), [player]);
  return player;
}

function People({ title, people }: { title: string; people: ProtocolPerson[] }) {
  const { t } = useTranslation();
  if (people.length === 0) return null;
  return (
    <section>
      <h4>{title}</h4>
      <ul className="plain-list">
        {people.map((person) => (
          <li key={person.id}>
            <strong>{person.name}</strong>
            <span>
              {t(`role.${person.role}`)}, {t(`place.${person.place}`)}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Files({ pack }: { pack: Package }) {
  const { t } = useTranslation();
  const language = currentLanguage();
  const { files } = pack.manifest;
  return (
    <>
      <div className="button-row">
        {files.flatMap(({ path }) => {
          const format = DOCUMENTS.exec(path)?.[1] as "html" | "docx" | "json" | undefined;
          if (format === undefined) return [];
          return [
            <a key={path} className="button" href={fileUrl(pack.key, path)} download data-testid={`download-${format}`}>
              {t("registry.protocol")}: {t(`over.${format}`)}
            </a>,
          ];
        })}
      </div>
      <details className="files">
        <summary>
          {t("registry.files")} ({files.length})
        </summary>
        <div className="table-scroll">
          <table className="table compact">
            <thead>
              <tr>
                <th scope="col">{t("registry.file")}</th>
                <th scope="col">{t("registry.size")}</th>
                <th scope="col">{t("registry.hash")}</th>
              </tr>
            </thead>
            <tbody>
              {files.map(({ path, size, sha256 }) => (
                <tr key={path}>
                  <th scope="row">
                    <a href={fileUrl(pack.key, path)} download>
                      {path}
                    </a>
                  </th>
                  <td>{formatSize(size, language)}</td>
                  <td className="mono hash">{sha256}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </>
  );
}
