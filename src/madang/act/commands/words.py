"""Why a command is not sent or did not come to its end, in the languages of the pages."""

from __future__ import annotations

from collections.abc import Iterable

from madang.services.service import Text

DRY = Text(
    "nothing was sent: it was a dry run",
    "시험 실행이므로 아무것도 보내지 않았습니다",
)
TAKEN_BACK_LATER = Text(
    "not taken back: a later command has taken its place",
    "이후의 다른 명령이 있어 되돌리지 않았습니다",
)
LOST = Text(
    "Madang ended while it was being sent, so nobody knows whether it has arrived; it is not sent"
    " twice, for this device could not tell that it is the same one",
    "보내는 중에 시스템이 중단되어 도착했는지 알 수 없습니다. 이 장치는 같은 명령인지 구별할 수"
    " 없으므로 다시 보내지 않습니다",
)


def no_target(id: str) -> Text:
    return Text(f"there is no entity {id}", f"{id} 개체가 없습니다")


def no_device(id: str) -> Text:
    return Text(
        f"no device is known by which {id} is commanded: register one whose profile has this id,"
        " or name it in the relationship refDevice of the entity",
        f"{id}을(를) 제어하는 장치가 등록되어 있지 않습니다. 장치를 등록하거나 개체의 refDevice"
        " 관계에 장치를 지정하십시오",
    )


def no_command(name: str, device: str, known: Iterable[str]) -> Text:
    listed = ", ".join(known)
    return Text(
        f"{device} knows no command {name!r}"
        + (f"; it knows {listed}" if listed else "; its profile has no commands"),
        f"{device} 장치에는 {name!r} 명령이 없습니다"
        + (f". 가능한 명령: {listed}" if listed else ". 프로파일에 명령이 없습니다"),
    )


def not_in_use(device: str, state: str) -> Text:
    return Text(
        f"device {device} is {state}, so it is not commanded",
        f"{device} 장치가 {state} 상태이므로 명령을 보내지 않습니다",
    )


def bad_parameters(fault: str) -> Text:
    return Text(fault, f"매개변수가 올바르지 않습니다: {fault}")


def no_way_back(name: str) -> Text:
    return Text(
        f"the profile of the device does not say how {name!r} is taken back"
        f" ([commands.{name}.revert])",
        f"{name!r} 명령을 되돌리는 방법이 장치 프로파일에 없습니다 ([commands.{name}.revert])",
    )


def too_soon(name: str, since_s: float, apart_s: float) -> Text:
    return Text(
        f"{name!r} was sent {since_s:.1f} s ago, and two of them are at least {apart_s:g} s apart",
        f"{name!r} 명령을 {since_s:.1f}초 전에 보냈습니다. 최소 {apart_s:g}초 간격을 두어야 합니다",
    )


def not_known(of: str) -> Text:
    return Text(f"nothing is known of its {of}", f"{of}에 대한 정보가 없습니다")


def not_sent(within_s: float, why: Text | None) -> Text:
    return Text(
        f"could not be sent within {within_s:g} s" + (f": {why.en}" if why else ""),
        f"{within_s:g}초 안에 보내지 못했습니다" + (f": {why.ko}" if why else ""),
    )


def not_approved(hours: float) -> Text:
    return Text(
        f"not approved within {hours:g} hours",
        f"{hours:g}시간 안에 승인되지 않았습니다",
    )


def silent(timeout_s: float) -> Text:
    return Text(
        f"the device has said nothing for {timeout_s:g} s",
        f"장치가 {timeout_s:g}초 동안 응답하지 않았습니다",
    )


def nobody_listens(topic: str) -> Text:
    return Text(
        f"nobody is connected who listens at {topic}",
        f"{topic} 토픽을 구독하는 연결이 없습니다",
    )


def no_broker(name: str) -> Text:
    return Text(
        f"the MQTT broker {name!r} is not connected",
        f"{name!r} MQTT 브로커에 연결되어 있지 않습니다",
    )


def no_answer(url: str, why: str) -> Text:
    return Text(f"{url} cannot be reached: {why}", f"{url}에 연결할 수 없습니다: {why}")


def not_taken_back(status: str, id: str) -> Text:
    return Text(
        f"not taken back: the command for it is {status}, see {id}",
        f"되돌리지 못했습니다. 되돌리는 명령의 상태: {status} ({id})",
    )
