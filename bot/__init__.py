"""Presente: every absent student accounted for, with a person behind the bot.

The two journeys:
in : web/webhooks -> inbound (stored, answered at once) -> advance -> understanding + conversation.turn
     -> barrier, reply -> outbox;  hand-off -> handoffs -> web/desk -> answering -> outbox
out: roster + attendance -> schedule -> outreach -> advance -> outbox -> provider.twilio -> family;
     receipt -> web/webhooks -> outbox

Imports point inward: a line may import only lines below it, and modules on one line do not import
each other. import-linter holds it, and a new module fails until it is placed here:

app.py
web | schedule | cli
rehearsal | transcript | walk | drawing | chat | wishes | ownership | thanks | barriers | second_guardian
closings
inbound | outreach | roster | answering | delivery | timeline | upkeep | ladder | watch
advance | casework | opening | courtesy | on_call | today | reports
handoffs | ledger | wording | arrivals | talks | measures
outbox
consent
attendance | staff | chat_links | looking | stopping | counters | ticks | spool | holds | replies | translation
audit
store | provider | mail
conversation | understanding | texts
policy | access
clock | phone | settings | language | vocabulary | export
errors

Each outside library has one door: Flask in web, Twilio in provider, APScheduler in
schedule.py, click in cli.py, SQLAlchemy from store up to the journeys, Babel in texts.py.
"""
