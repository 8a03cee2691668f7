"""The root of the one tree of errors that are meant for a person.

PresenteError               a sentence: the thing, the fact and the way out
├── SettingsRefused         a setting is wrong                       settings
├── DatabaseRefused         the database's address cannot be used    store.session
├── BehindError             the database is of another version       store.migrate
├── FlowError               a flow file is wrong                     conversation.load
├── CatalogueError          a catalogue cannot be used               texts
├── FileRefused             a school's file cannot be imported       roster
├── DecisionRefused         a waiting file cannot be decided so      roster.incoming.deciding
├── TokenRefused            a push token cannot be made so           roster.incoming.tokens
├── FeedFailed              the calendar's address brought nothing   roster.feed
├── NothingToUndo           no import is left to take back           roster.undo
├── PhoneRefused            what was written is no number            phone
├── StaffRefused            a staff member cannot be added so        staff
├── SignInRefused           nobody comes in like this                staff
├── NotPossible             a staff member cannot do this now        answering
├── CaseworkRefused         what was filled in cannot be kept so     casework.written
├── HoldRefused             a held school cannot be decided so       holds
├── ClosingRefused          a school day cannot be changed so        closings
├── StopRefused             the stop button cannot be pressed so     stopping
├── ReviewRefused           a translation cannot be reviewed so      replies
├── WorkFailed              a storm's process failed by itself       rehearsal.storm
├── NotTold                 the provider did not answer a question   provider
└── SendFailed              Refused, Passing or Unknown              provider
"""


class PresenteError(Exception):
    """Something a person asked for cannot be done; the message says what, why and the way out."""
