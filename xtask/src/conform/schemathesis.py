"""What no schema can say of a request: such requests are left out, since the hub refuses them although the document allows them."""
import itertools
import re

import schemathesis

LIMITS = {"kind": 64, "body": 12288, "message": 4096, "note": 200, "reason": 200, "extra": 1024, "name": 64}
IDS = ("op_id", "dedup_id", "undo_id", "apply_id", "invite_id", "expect_turn_id")


def fits(value):
    if isinstance(value, list):
        return all(map(fits, value))
    if not isinstance(value, dict):
        return True
    for key, field in value.items():
        # Limits of texts are in bytes, those of JSON Schema in characters.
        limit = 64 if key in IDS else LIMITS.get(key)
        if limit and isinstance(field, str) and limit // 4 < len(field) <= limit and len(field.encode("utf-8", "surrogatepass")) > limit:
            return False
    # A window of no length.
    if "start" in value and value.get("start") == value.get("end"):
        return False
    # Somebody, or a role, named twice.
    for key, name in (("special_user_list", "user_id"), ("roles", "role_id")):
        names = [one.get(name) for one in value.get(key) or [] if isinstance(one, dict)] if isinstance(value.get(key), list) else []
        if any(name in names[:at] for at, name in enumerate(names)):
            return False
    # A ban that is over.
    if value.get("type") == "user_ban" and isinstance(value.get("until_ms"), int) and 0 <= value["until_ms"] < 4102444800000:
        return False
    return all(map(fits, value.values()))


@schemathesis.hook
def filter_body(context, body):
    return fits(body)


@schemathesis.hook
def filter_case(context, case):
    return fits(case.body)


NUMBER = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """An op_id that another command has used already is refused, so each request has one of its own."""
    op_id = case.body.get("op_id") if isinstance(case.body, dict) else None
    if isinstance(op_id, str) and re.fullmatch(r"[A-Za-z0-9_.:@-]{1,64}", op_id):
        case.body["op_id"] = f"op-{next(NUMBER)}"
