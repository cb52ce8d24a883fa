"""How to open and check a sealed file without casevault: READ-ME-FIRST.txt in it, and `casevault help-partner`.

Both texts are made of one table of steps, in English and Russian, and say nothing of any case. They are documents that
go to other people, so they are not translated with the program's sentences. Every line for Linux is run by a test.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from crypto.labels import SignedKind

Language = Literal["en", "ru"]
LANGUAGES: tuple[Language, ...] = ("en", "ru")

WINDOWS, MACOS, LINUX = "Windows", "macOS", "Linux"
SYSTEMS = (WINDOWS, MACOS, LINUX)

WIDTH = 78
_FOLDER = "FOLDER"
_NAMESPACE = SignedKind.SEALED_FILE.value.decode("ascii")

# Each line of a text is a paragraph, or a point of a list.
Said = Mapping[Language, str]


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do: what and why, the lines to type on each system, and what to look for after."""

    name: str
    title: Said
    text: Said
    lines: Mapping[str, tuple[str, ...]]
    after: Said


# Whoever made the file chose every name in it: a stock tar writes a partner.card, a key.txt or a program over those that
# are there, and cmd runs what lies in the current folder. So what comes out gets an empty folder, and all lines are typed
# outside of it, beside sealed.age, key.txt and partner.card, where nothing of it can get.
# PowerShell knows no `<` and alters what passes through its pipes; macOS has no sha256sum.
_OUT = "opened"
_UNPACK_ON_WINDOWS = f"if ($?) {{ New-Item -Type Directory {_OUT}; if ($?) {{ tar.exe -C {_OUT} -xf sealed.tar; if ($?) {{ 'OPENED' }} }} }}"

STEPS = (
    Step(
        name="open",
        title={"en": "Open the file", "ru": "Откройте файл"},
        text={"en": "With your key in key.txt:", "ru": "Если ваш ключ лежит в файле key.txt:"},
        lines={
            WINDOWS: (
                rf".\age.exe -d -i key.txt -o sealed.tar sealed.age; {_UNPACK_ON_WINDOWS}",
                "del sealed.tar",
            ),
            **dict.fromkeys(
                (MACOS, LINUX),
                (
                    "set -o pipefail",
                    f"mkdir {_OUT} && age -d -i key.txt sealed.age | tar -C {_OUT} -xf - && echo OPENED",
                ),
            ),
        },
        after={
            "en": (
                f"It must end with OPENED. If it does not, delete the folder {_OUT}: a part of a file can be a trap. A folder "
                "of this name that is there already must go first. Stay where you are; do not go into the folder.\n"
                '"no identity matched" means one of two things: your age is older than version 1.3 (to see it, type: '
                "age --version), or the file is not for you."
            ),
            "ru": (
                f"В конце должно стоять OPENED. Если его нет, удалите папку {_OUT}: часть файла может быть ловушкой. Если "
                "папка с таким именем уже есть, сначала уберите её. Оставайтесь на месте, не переходите в эту папку.\n"
                "«no identity matched» означает одно из двух: ваша программа age — версии до 1.3 (чтобы узнать, наберите: "
                "age --version) или файл предназначен не вам."
            ),
        },
    ),
    Step(
        name="passphrase",
        title={"en": "Or: open it with a passphrase", "ru": "Или: откройте его паролем"},
        text={
            "en": "Only if you were told a passphrase. The program asks for it.",
            "ru": "Только если вам сообщили пароль. Программа спросит его.",
        },
        lines={
            WINDOWS: (
                rf".\age.exe -d -o sealed.tar sealed.age; {_UNPACK_ON_WINDOWS}",
                "del sealed.tar",
            ),
            **dict.fromkeys(
                (MACOS, LINUX),
                ("set -o pipefail", f"mkdir {_OUT} && age -d sealed.age | tar -C {_OUT} -xf - && echo OPENED"),
            ),
        },
        after={"en": "It must end with OPENED.", "ru": "В конце должно стоять OPENED."},
    ),
    Step(
        name="digests",
        title={
            "en": "Check that nothing is missing or changed",
            "ru": "Проверьте, что ничего не пропало и не изменено",
        },
        text={
            "en": f"Compare all digests of the folder that has appeared in {_OUT}:",
            "ru": f"Сравните все контрольные суммы папки, которая появилась в {_OUT}:",
        },
        lines={
            WINDOWS: (
                f"$in = '{_OUT}\\{{folder}}'; $ErrorActionPreference = 'Stop'",
                (
                    "$bad = 0; foreach ($list in @('tagmanifest-sha256.txt','SHA256'),@('manifest-sha256.txt','SHA256'),"
                    "@('manifest-sha512.txt','SHA512')) { foreach ($line in Get-Content (Join-Path $in $list[0])) { "
                    "$digest, $name = $line -split '  ', 2; if ((Get-FileHash -Algorithm $list[1] -LiteralPath "
                    "(Join-Path $in $name)).Hash -ne $digest) { $bad++; 'CHANGED: ' + $name } } }; "
                    "if ($bad -eq 0) { 'WHOLE' }"
                ),
            ),
            MACOS: (
                (
                    f"(cd {_OUT}/{{folder}} && shasum -a 256 -c tagmanifest-sha256.txt && shasum -a 256 -c "
                    "manifest-sha256.txt && shasum -a 512 -c manifest-sha512.txt && echo WHOLE)"
                ),
            ),
            LINUX: (
                (
                    f"(cd {_OUT}/{{folder}} && sha256sum -c tagmanifest-sha256.txt && sha256sum -c manifest-sha256.txt && "
                    "sha512sum -c manifest-sha512.txt && echo WHOLE)"
                ),
            ),
        },
        after={
            "en": (
                "It must end with WHOLE. Do not open files that these lists do not name: nobody vouches for them.\n"
                "What was sent lies in the folder data. Titles, purpose and terms, as far as the sender sent them, are in "
                "sealed.json, which any text editor shows.\n"
                'The file "padding" holds only zeros, to hide the size. You can delete it.'
            ),
            "ru": (
                "В конце должно стоять WHOLE. Не открывайте файлы, которых нет в этих списках: за них никто не ручается.\n"
                "Присланное лежит в папке data. Названия, цель и условия, если отправитель их приложил, написаны в файле "
                "sealed.json; его покажет любой текстовый редактор.\n"
                "Файл padding состоит из нулей и только скрывает размер. Его можно удалить."
            ),
        },
    ),
    Step(
        name="sender",
        title={"en": "Check who sent it", "ru": "Проверьте, кто его отправил"},
        text={
            "en": (
                "You need the sender's card, which came to you by another way than this file: from hand to hand, or compared "
                "by telephone. Save it as partner.card beside key.txt. Do not use the sender.card that came out for it: "
                "whoever made the file made that card too."
            ),
            "ru": (
                "Нужна карточка отправителя, полученная другим путём, чем этот файл: из рук в руки или сверенная по "
                "телефону. Сохраните её под именем partner.card рядом с key.txt. Не берите для этого sender.card, который "
                "вышел из файла: его сделал тот же, кто сделал файл."
            ),
        },
        lines={
            WINDOWS: (
                (
                    "(Get-Content partner.card) -match '^ed25519: ' -replace '^ed25519: ', "
                    f"'sender namespaces=\"{_NAMESPACE}\" ' | Set-Content -Encoding ascii signers"
                ),
                (
                    f'cmd /c "ssh-keygen -Y verify -f signers -I sender -n {_NAMESPACE} '
                    f'-s {_OUT}\\{{folder}}\\tagmanifest-sha256.txt.sig < {_OUT}\\{{folder}}\\tagmanifest-sha256.txt"'
                ),
            ),
            **dict.fromkeys(
                (MACOS, LINUX),
                (
                    f"sed -n 's/^ed25519: /sender namespaces=\"{_NAMESPACE}\" /p' partner.card > signers",
                    (
                        f"ssh-keygen -Y verify -f signers -I sender -n {_NAMESPACE} "
                        f"-s {_OUT}/{{folder}}/tagmanifest-sha256.txt.sig < {_OUT}/{{folder}}/tagmanifest-sha256.txt"
                    ),
                ),
            ),
        },
        after={
            "en": (
                f'It must say: Good "{_NAMESPACE}" signature for sender. Never write check-novalidate in the place of '
                "verify: it accepts anybody's key. Both this step and the one before must succeed; each alone proves nothing.\n"
                "ssh-keygen checks one of two signatures (Ed25519). The other one (ML-DSA-65, against quantum computers) is "
                "checked by casevault alone.\n"
                "A folder without the file tagmanifest-sha256.txt.sig is a drop: nobody signed it, and anybody may have "
                "sent it."
            ),
            "ru": (
                f'Должно появиться: Good "{_NAMESPACE}" signature for sender. Никогда не пишите check-novalidate '
                "вместо verify: так подойдёт ключ кого угодно. Должны удаться и этот шаг, и предыдущий: по отдельности они "
                "ничего не доказывают.\n"
                "ssh-keygen проверяет одну подпись из двух (Ed25519). Другую (ML-DSA-65, против квантовых компьютеров) "
                "проверяет только casevault.\n"
                "Папку без файла tagmanifest-sha256.txt.sig никто не подписал: её мог прислать кто угодно."
            ),
        },
    ),
    Step(
        name="recipient",
        title={"en": "Check that it was meant for you", "ru": "Проверьте, что файл предназначен вам"},
        text={
            "en": (
                "age does not protect against forwarding: somebody else may have received this and sealed it again for you. "
                'The sender has signed for whom it was made: that is "to" in sealed.json. It must be your own fingerprint. '
                "For a key in key.txt:"
            ),
            "ru": (
                "age не защищает от пересылки: файл мог получить кто-то другой и заново зашифровать для вас. Отправитель "
                "подписал, кому он предназначен: это «to» в файле sealed.json. Там должен стоять ваш собственный отпечаток. "
                "Для ключа в key.txt:"
            ),
        },
        lines={
            WINDOWS: (
                (
                    "$me = -join ([Security.Cryptography.SHA256]::Create().ComputeHash([Text.Encoding]::ASCII.GetBytes("
                    "(.\\age-keygen.exe -y key.txt).Trim())) | ForEach-Object { $_.ToString('x2') })"
                ),
                (
                    f"if ((Get-Content {_OUT}\\{{folder}}\\sealed.json -Raw -Encoding UTF8 | ConvertFrom-Json).to -eq $me) "
                    "{ 'FOR ME' } else { 'NOT FOR ME' }"
                ),
            ),
            MACOS: (
                "me=$(age-keygen -y key.txt | tr -d '\\n' | shasum -a 256 | cut -c 1-64)",
                f'grep -q "\\"to\\":\\"$me\\"" {_OUT}/{{folder}}/sealed.json && echo FOR ME || echo NOT FOR ME',
            ),
            LINUX: (
                "me=$(age-keygen -y key.txt | tr -d '\\n' | sha256sum | cut -c 1-64)",
                f'grep -q "\\"to\\":\\"$me\\"" {_OUT}/{{folder}}/sealed.json && echo FOR ME || echo NOT FOR ME',
            ),
        },
        after={
            "en": (
                "It must say FOR ME. If it says NOT FOR ME, do not trust the file, and tell the sender. A file that opens with "
                "a passphrase is for nobody by name.\n"
                "If the sender has your card and not only your key, let casevault compare: casevault inspect sealed.age"
            ),
            "ru": (
                "Должно появиться FOR ME. Если появилось NOT FOR ME, не верьте файлу и сообщите отправителю. Файл, который "
                "открывается паролем, никому по имени не предназначен.\n"
                "Если у отправителя есть не только ваш ключ, но и ваша карточка, пусть сравнит casevault: "
                "casevault inspect sealed.age"
            ),
        },
    ),
)

_TITLE: Said = {"en": "HOW TO OPEN A SEALED FILE", "ru": "КАК ОТКРЫТЬ ЗАПЕЧАТАННЫЙ ФАЙЛ"}

_UNPACKED: Said = {
    "en": (
        "You are reading this in a folder that came out of a sealed file. Nothing in it is encrypted any more: whoever has "
        "this computer can read it. Check it (steps 3 to 5), keep it only on an encrypted disk, and delete it when you do "
        "not need it."
    ),
    "ru": (
        "Вы читаете это в папке, которая вышла из запечатанного файла. Здесь больше ничего не зашифровано: кто возьмёт этот "
        "компьютер, тот всё прочтёт. Проверьте папку (шаги 3–5), храните её только на зашифрованном диске и удалите, когда "
        "она будет не нужна."
    ),
}

_SEALED: Said = {
    "en": (
        "Somebody sent you an encrypted file with a name like sealed-….age. Take your time: nothing happens by itself, and "
        "nothing is lost by waiting. This page says nothing of what is in it. You may keep it and pass it on."
    ),
    "ru": (
        "Вам прислали зашифрованный файл с именем вроде sealed-….age. Не спешите: само ничего не произойдёт, и от ожидания "
        "ничего не пропадёт. На этой странице нет ни слова о содержимом. Её можно хранить и передавать."
    ),
}

_BEFORE: Said = {
    "en": (
        "If you have casevault, type: casevault open sealed.age\n"
        "It does all of this by itself, and nothing lies on your disk unencrypted. Without it, do the steps below.\n"
        "\n"
        "Before you begin:\n"
        "- Use a computer that you trust, with an encrypted disk. What comes out is NOT encrypted. Do not do it as root or "
        "administrator: then a hostile file can do more.\n"
        "- Make a new, empty folder. Put the file into it and call it sealed.age. Your key goes there too, as key.txt.\n"
        "- You need the program age, version 1.3 or later: https://github.com/FiloSottile/age/releases\n"
        "- Windows: put age.exe and age-keygen.exe into the folder. macOS: brew install age. Linux: the age that comes with "
        "the system is often older than 1.3. All else that the steps use (tar, ssh-keygen) is on your computer already.\n"
        "- If you cannot install a program: the JavaScript library age-encryption opens such a file in a web browser, also "
        "on a computer without a network. Ask somebody whom you trust to prepare the page. Never give your key or the file "
        "to a web site.\n"
        "- Windows: open PowerShell. macOS and Linux: open a terminal with bash or zsh. Go into the folder (cd and its "
        "name), and stay there. Then copy the lines, one after the other."
    ),
    "ru": (
        "Если у вас есть casevault, наберите: casevault open sealed.age\n"
        "Он делает всё это сам, и на диске ничего не лежит в открытом виде. Без него выполните шаги ниже.\n"
        "\n"
        "Прежде чем начать:\n"
        "- Возьмите компьютер, которому доверяете, с зашифрованным диском. То, что выйдет, НЕ зашифровано. Не делайте этого "
        "как root или администратор: тогда враждебный файл может больше.\n"
        "- Создайте новую пустую папку. Положите в неё файл под именем sealed.age и свой ключ под именем key.txt.\n"
        "- Нужна программа age версии 1.3 или новее: https://github.com/FiloSottile/age/releases\n"
        "- Windows: положите age.exe и age-keygen.exe в эту папку. macOS: brew install age. Linux: age из системы часто "
        "бывает версии до 1.3. Всё остальное, что нужно для шагов (tar, ssh-keygen), на компьютере уже есть.\n"
        "- Если программу установить нельзя: библиотека age-encryption на JavaScript открывает такой файл в браузере, в том "
        "числе на компьютере без сети. Попросите того, кому доверяете, подготовить страницу. Никогда не отдавайте ключ "
        "или файл сайтам.\n"
        "- Windows: откройте PowerShell. macOS и Linux: откройте терминал с bash или zsh. Перейдите в папку (cd и её имя) и "
        "оставайтесь в ней. Затем копируйте строки одну за другой."
    ),
}

_WHICH_FOLDER: Said = {
    "en": "In the place of FOLDER write the name of the folder that has appeared.",
    "ru": "Вместо FOLDER напишите имя появившейся папки.",
}

_AFTER_ALL: Said = {
    "en": (
        "When you are done, delete the folder and whatever else others must not find, and remember: worn flash memory and "
        "backups may keep what was deleted. If anything here went wrong, tell the sender by another way than this file came."
    ),
    "ru": (
        "Закончив, удалите папку и всё, чего не должны найти другие, и помните: флеш-память и резервные копии могут хранить "
        "удалённое. Если что-то пошло не так, сообщите отправителю другим путём, чем пришёл этот файл."
    ),
}


def read_me(top: str) -> bytes:
    """READ-ME-FIRST.txt of the bag whose top folder is ``top``."""
    return _in_both_languages(_UNPACKED, top).encode()


def help_partner() -> str:
    """The page for somebody who has a sealed file before them. It says nothing of any case."""
    return _in_both_languages(_SEALED, None)


def lines(system: str, name: str, folder: str) -> tuple[str, ...]:
    """The lines to type for one step on one system."""
    (step,) = (step for step in STEPS if step.name == name)
    return tuple(line.replace("{folder}", folder) for line in step.lines[system])


def _in_both_languages(beginning: Said, folder: str | None) -> str:
    rule = "=" * WIDTH
    return f"\n{rule}\n\n".join(_page(language, beginning, folder) for language in LANGUAGES)


def _page(language: Language, beginning: Said, folder: str | None) -> str:
    parts = [_TITLE[language], _wrapped(beginning[language]), _wrapped(_BEFORE[language])]
    for number, step in enumerate(STEPS, 1):
        parts += [f"{number}. {step.title[language]}", _wrapped(step.text[language])]
        if folder is None and step.name == "digests":
            parts.append(_wrapped(_WHICH_FOLDER[language]))
        for systems, typed in _grouped(step, folder or _FOLDER):
            parts.append("\n".join([f"{systems}:", *(f"    {line}" for line in typed)]))
        parts.append(_wrapped(step.after[language]))
    return "\n\n".join([*parts, _wrapped(_AFTER_ALL[language])]) + "\n"


def _grouped(step: Step, folder: str) -> list[tuple[str, tuple[str, ...]]]:
    """The lines of each system, those that are alike together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for system in SYSTEMS:
        found.setdefault(lines(system, step.name, folder), []).append(system)
    return [(", ".join(systems), typed) for typed, systems in found.items()]


def _wrapped(text: str) -> str:
    return "\n".join(
        textwrap.fill(
            line,
            WIDTH,
            subsequent_indent="  " if line.startswith("- ") else "",
            break_on_hyphens=False,
            break_long_words=False,
        )
        for line in text.split("\n")
    )
