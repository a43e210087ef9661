"""The realistic chat file that the benchmarks read: seeded, written row by row, with the planted copies as truth.

Mean 4.6 KB an example: a system prompt (one of 200), a user's turn and an answer; 80 % English, 8 % with code, 6 %
Chinese, 6 % in nine other languages, some emoji; a label in 8 uneven classes, a user id (four examples each); 5 % exact
and 5 % near duplicates.

Run: python benchmarks/chats.py FILE [rows]
"""

import json
import random
import re
import sys
from pathlib import Path

ENGLISH = (  # noqa: SIM905  # words read better so
    "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but "
    "not what all were we when your can said there use an each which she do how their if will up other about out many "
    "then them these so some her would make like him into time has look two more write go see number no way could "
    "people my than first water been call who oil its now find long down day did get come made may part account order "
    "invoice payment delivery customer support refund warranty question answer problem solution process document "
    "subscription password security settings network application development environment temperature investigation "
    "understanding communication responsibility significant approximately available recommended alternatively"
).split()
OTHERS = {
    "German": "der die das und ist nicht ein eine zu mit auf für über können Rechnung Lieferung Bestellung Straße",
    "French": "le la les et est pas un une avec sur pour où être commande facture livraison déjà français près après",
    "Spanish": "el la los y es no un una con sobre para dónde está pedido factura envío mañana señor también después",
    "Portuguese": "o a os e é não um uma com sobre para onde está pedido fatura entrega amanhã você também depois",
    "Russian": "и в не на я быть он с что а по это она этот к но заказ счёт доставка вопрос ответ почему",
    "Greek": "και το να του η της με που την από για είναι στο παραγγελία ερώτηση απάντηση γιατί",
    "Arabic": "في من على أن إلى هذا مع كان عن التي طلب فاتورة سؤال جواب لماذا شكرا",
    "Japanese": "これ それ です ます 注文 請求書 配達 質問 回答 なぜ ありがとう できます ください 確認",
    "Korean": "이 그 저 것 수 있다 하다 주문 청구서 배송 질문 답변 왜 감사합니다 확인",
}
CHINESE = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动"
    "同工也能下过子说产种面而方后多定行学法所民得经"
)
EMOJI = "😀🎉👍🚀🤔❤️✅🔥"
CODE = (
    'def {0}({1}):\n    """Return the {2}."""\n    return [{1}[i] for i in range(len({1})) if {1}[i] != \'{2}\']\n',
    'for ({0} = 0; {0} < {1}.length; {0}++) {{\n  console.log("{2}: " + {1}[{0}]);\n}}\n',
    'SELECT {0}, COUNT(*) AS "{1}" FROM {2} WHERE {0} > 10 GROUP BY {0};\n',
    '{{"{0}": {{"{1}": [1, 2, 3], "{2}": null}}}}\n',
)
LABELS, SHARES = "abcdefgh", (40, 20, 12, 10, 8, 5, 3, 2)
PLACES = re.compile(r"\w+")


def sentence(dice, words):
    chosen = dice.choices(words, k=dice.randint(5, 18))
    text = " ".join(chosen)
    kind = dice.random()
    if kind < 0.1:
        text = f'"{text}"'
    elif kind < 0.2:
        text = f"{text}: {dice.randint(1, 9999)}"
    return f"{text[:1].upper()}{text[1:]}{dice.choice('...?!')}"


def chinese(dice):
    return "".join(dice.choices(CHINESE, k=dice.randint(8, 30))) + dice.choice("。。！？")


def prose(dice, words, size):
    pieces, length = [], 0
    while length < size:
        piece = chinese(dice) if words is CHINESE else sentence(dice, words)
        pieces.append(piece + dice.choice((" ", " ", " ", " ", "\n", "\n\n", "\n- ")))
        length += len(piece.encode()) + 2
    if dice.random() < 0.05:
        pieces.append(dice.choice(EMOJI))
    return "".join(pieces).strip()


def text(dice, size):
    kind = dice.random()
    if kind < 0.80:
        return prose(dice, ENGLISH, size)
    if kind < 0.88:
        code = "".join(dice.choice(CODE).format(*dice.choices(ENGLISH, k=3)) for _ in range(max(1, size // 300)))
        return f"{prose(dice, ENGLISH, max(50, size - len(code)))}\n```\n{code}```"
    if kind < 0.94:
        return prose(dice, CHINESE, size)
    return prose(dice, OTHERS[dice.choice(sorted(OTHERS))].split(), size)


def near_copy(dice, original):
    """A copy that a person would call the same: some words replaced, a sentence added, the start dropped, a frame."""
    kind = dice.random()
    if kind < 0.45:
        share = dice.uniform(0.01, 0.06)
        return PLACES.sub(lambda word: dice.choice(ENGLISH) if dice.random() < share else word[0], original)
    if kind < 0.65:
        return f"{original} {sentence(dice, ENGLISH)}"
    if kind < 0.80:
        return original[int(len(original) * dice.uniform(0.03, 0.12)) :]
    if kind < 0.90:
        return original.lower().replace(",", "")
    return f"Hello, could you please help me with this? {original} Thank you very much!"


def chats(rows, seed=0):
    """Examples as objects, and the rows of which each copy is one: `(row, original or None, exact)`."""
    dice = random.Random(seed)
    systems = [prose(dice, ENGLISH, dice.randint(100, 600)) for _ in range(200)]
    earlier = []
    for row in range(rows):
        user = text(dice, dice.randint(400, 3200))
        original, exact = None, False
        kind = dice.random()
        answer, system = None, dice.choice(systems)
        if earlier and kind < 0.10:
            original, system, old, answer = dice.choice(earlier)
            exact = kind < 0.05
            user = old if exact else near_copy(dice, old)
        if answer is None:
            answer = text(dice, dice.randint(300, 4200))
        if original is None and dice.random() < 0.2:
            earlier.append((row, system, user, answer))
            del earlier[:-2000]
        messages = [
            {"role": "system", "content": system},
            {"role": "user", "content": user},
            {"role": "assistant", "content": answer},
        ]
        metadata = {"label": dice.choices(LABELS, SHARES)[0], "user": f"user-{row // 4}"}
        yield {"messages": messages, "metadata": metadata}, (row, original, exact)


def write(path, rows, seed=0):
    """Write the file, if it isn't there; gives its path."""
    path = Path(path)
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            for record, _ in chats(rows, seed):
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        temporary.replace(path)
    return path


if __name__ == "__main__":
    made = write(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20_000)
    print(f"{made}: {made.stat().st_size:,} bytes")
