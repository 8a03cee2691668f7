"""A file comes, by command, folder, push or page: checked, then applied, held for a person, or refused.

coming     the file, how it is to be read, and what of it may be kept while it waits
saved      mappings that somebody has pointed out, kept for the next file
checking   what it would change, and the brakes
receiving  a file comes: applied at once where nothing speaks against it
asking     what a person must say before a file can be read
deciding   a person approves, rejects, answers a question, or takes an import back
waiting    the files and held schools that wait, and what became of the others
tokens     who may push files
folder     a folder that is watched
"""

from bot.roster.incoming import asking, tokens
from bot.roster.incoming.coming import LARGEST_KEPT, Coming, Options, of_paths, open_for_pointing
from bot.roster.incoming.deciding import (
    DecisionRefused,
    answer,
    approve,
    reject,
    reject_school,
    release,
    undo,
)
from bot.roster.incoming.folder import Folder, Moved
from bot.roster.incoming.receiving import Office, Received, receive
from bot.roster.incoming.saved import load as load_saved
from bot.roster.incoming.saved import save_codes, save_columns, save_marks
from bot.roster.incoming.tokens import TokenRefused
from bot.roster.incoming.waiting import Filed, may_see, one, recent, report_csv, waiting

__all__ = [
    "LARGEST_KEPT",
    "Coming",
    "DecisionRefused",
    "Filed",
    "Folder",
    "Moved",
    "Office",
    "Options",
    "Received",
    "TokenRefused",
    "answer",
    "approve",
    "asking",
    "load_saved",
    "may_see",
    "of_paths",
    "one",
    "open_for_pointing",
    "receive",
    "recent",
    "reject",
    "reject_school",
    "release",
    "report_csv",
    "save_codes",
    "save_columns",
    "save_marks",
    "tokens",
    "undo",
    "waiting",
]
