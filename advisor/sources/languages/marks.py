# ruff: noqa: RUF001  letters of other alphabets that look like Latin ones are meant
"""What a server writes between its prefix and a message, in each language: `LOG:  `, `FEHLER:  `, `DÉTAIL :  `.

Source: `src/backend/po/*.po` of PostgreSQL, the strings of `utils/error/elog.c` (send_message_to_server_log,
error_severity). A severity is followed by a colon and two blanks in every language; the labels of what follows a
message (detail, hint, statement) are translated with theirs, and some translators left a blank out or put one in.
"""

from collections.abc import Mapping

_SEVERITIES = ("LOG", "ERROR", "WARNING", "FATAL", "PANIC", "NOTICE", "INFO", "DEBUG")
_LABELS = ("DETAIL", "STATEMENT", "HINT", "CONTEXT", "QUERY", "BACKTRACE", "LOCATION")


def _marks(severities: str, labels: str, **odd: str) -> Mapping[str, str]:
    """`odd`: labels whose mark is not the word, a colon and two blanks; without its ending colon and blanks here."""
    marks: dict[str, str] = {}
    for canonical, word in zip(_SEVERITIES, severities.split(), strict=True):
        # One word may stand for two severities: the graver one is kept.
        marks.setdefault(f"{word}:  ", canonical)
    for canonical, word in zip(_LABELS, labels.split("|"), strict=True):
        marks[odd.get(canonical, f"{word}:  ")] = canonical
    return marks


MARKS: Mapping[str, Mapping[str, str]] = {
    "de": _marks(
        "LOG FEHLER WARNUNG FATAL PANIK HINWEIS INFO DEBUG",
        "DETAIL|ANWEISUNG|TIPP|ZUSAMMENHANG|ANFRAGE|BACKTRACE|ORT",
    ),
    "es": _marks(
        "LOG ERROR WARNING FATAL PANIC NOTICE INFO DEBUG",
        "DETALLE|SENTENCIA|HINT|CONTEXTO|CONSULTA|BACKTRACE|UBICACIÓN",
    ),
    "fr": _marks(
        "LOG ERREUR ATTENTION FATAL PANIC NOTICE INFO DEBUG",
        "DÉTAIL|INSTRUCTION |ASTUCE |CONTEXTE |REQUÊTE |PILE D'APPEL |EMPLACEMENT ",
        BACKTRACE="PILE D'APPEL : ",
    ),
    "it": _marks(
        "LOG ERRORE ATTENZIONE FATALE PANICO NOTIFICA INFO DEBUG",
        "DETTAGLI|ISTRUZIONE|SUGGERIMENTO|CONTESTO|QUERY|BACKTRACE|POSIZIONE",
    ),
    "ja": _marks(
        "LOG ERROR WARNING FATAL PANIC NOTICE INFO DEBUG",
        "詳細|文|ヒント|文脈|問い合わせ|バックトレース|場所",
    ),
    "ka": _marks(
        "ჟურნალი შეცდომა გაფრთხილება ფატალური პანიკა გაფრთხილება ინფორმაცია გამართვა",
        "დეტალები|ოპერატორი|მინიშნება|კონტექსტი|მოთხოვნა|სტეკი|მდებარეობა",
        LOCATION="მდებარეობა:   ",
    ),
    "ko": _marks(
        "로그 오류 경고 치명적오류 손상 알림 정보 디버그",
        "상세정보|명령 구문|힌트|내용|쿼리|역추적|위치",
        QUERY="쿼리:",
        LOCATION="위치: ",
    ),
    "pt_BR": _marks(
        "LOG ERRO AVISO FATAL PÂNICO NOTA INFO DEPURAÇÃO",
        "DETALHE|COMANDO|DICA|CONTEXTO|CONSULTA|BACKTRACE|LOCAL",
    ),
    "ru": _marks(
        "СООБЩЕНИЕ ОШИБКА ПРЕДУПРЕЖДЕНИЕ ВАЖНО ПАНИКА ЗАМЕЧАНИЕ ИНФОРМАЦИЯ ОТЛАДКА",
        "ПОДРОБНОСТИ|ОПЕРАТОР|ПОДСКАЗКА|КОНТЕКСТ|ЗАПРОС|СТЕК|ПОЛОЖЕНИЕ",
        LOCATION="ПОЛОЖЕНИЕ: ",
    ),
    "sv": _marks(
        "LOGG FEL VARNING FATALT PANIK NOTIS INFO DEBUG",
        "DETALJ|SATS|TIPS|KONTEXT|FRÅGA|BACKTRACE|PLATS",
    ),
    "uk": _marks(
        "ЗАПИСУВАННЯ ПОМИЛКА ПОПЕРЕДЖЕННЯ ФАТАЛЬНО ПАНІКА ПОВІДОМЛЕННЯ ІНФОРМАЦІЯ НАЛАГОДЖЕННЯ",
        "ВІДОМОСТІ|ІНСТРУКЦІЯ|УКАЗІВКА|КОНТЕКСТ|ЗАПИТ|ВІДСТЕЖУВАТИ|РОЗТАШУВАННЯ",
    ),
    "zh_CN": _marks(
        "日志 错误 警告 致命错误 比致命错误还过分的错误 注意 信息 调试",
        "详细信息|语句|提示|上下文|查询|BACKTRACE|位置",
    ),
}
"""Marks, blanks included, by language: what each stands for in English."""

ENGLISH_MARKS = frozenset(f"{word}:  " for word in (*_SEVERITIES, *_LABELS))

UNKNOWN: Mapping[str, str] = {
    "de": "[unbekannt]",
    "es": "[desconocido]",
    "fr": "[inconnu]",
    "it": "[sconosciuto]",
    "ja": "[不明]",
    "ka": "[უცნობი]",
    "ko": "[알수없음]",
    "pt_BR": "[desconhecido]",
    "ru": "[н/д]",
    "sv": "[okänd]",
    "uk": "[unknown]",
    "zh_CN": "[未知]",
}
"""What the prefix says for a user, database or application that is not known yet: `[unknown]` in English."""
