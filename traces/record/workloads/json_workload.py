"""A json workload: documents as a web service has them, parsed, changed and written again.

json_workload.py [PEOPLE [TURNS]]: 4000 people and 10 turns take about a second.
"""
import json
import random
import sys

random.seed(1)
WORDS = [f"{a}{b}" for a in ("al", "be", "ca", "do", "en", "fu") for b in ("lo", "mi", "no", "ra", "sta", "tion")]


def text(words):
    return " ".join(random.choice(WORDS) for _ in range(words))


def person(number):
    return {
        "id": number,
        "name": text(2),
        "email": f"{random.choice(WORDS)}{number}@example.org",
        "active": random.random() < 0.7,
        "balance": round(random.gauss(1000, 400), 2),
        "tags": [random.choice(WORDS) for _ in range(random.randint(0, 6))],
        "about": text(random.randint(3, 60)),
        "friends": [{"id": random.randint(0, 5000), "name": text(2)} for _ in range(random.randint(0, 5))],
    }


count, turns = (int(word) for word in (sys.argv[1:] + ["4000", "10"][len(sys.argv) - 1:]))
people = [person(number) for number in range(count)]
store = json.dumps(people)
for turn in range(turns):
    people = json.loads(store)
    for one in random.sample(people, count // 10):
        one["balance"] += 1
        one["tags"].append(text(1))
        one["about"] = text(random.randint(3, 60))
    by_name = {}
    for one in people:
        by_name.setdefault(one["name"], []).append(one)
    store = json.dumps(sorted(people, key=lambda one: (one["name"], -one["id"])), indent=turn % 3 or None)
print(len(store))
