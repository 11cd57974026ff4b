from rightfit._core.errors import RightfitError as RightfitError
from rightfit._core.progress import Progress as Progress
from rightfit.api.given_candidates import candidates as candidates
from rightfit.api.measure import compare as compare
from rightfit.api.measure import measure as measure
from rightfit.api.profiles import Profiles as Profiles
from rightfit.api.rank import Ranking as Ranking
from rightfit.api.rank import rank as rank
from rightfit.api.serving_tuning import TunedServing as TunedServing
from rightfit.api.serving_tuning import tune_serving as tune_serving
from rightfit.exporting.mlflow_model import log_export as log_export
from rightfit.measuring.hardware.environment import Environment as Environment
from rightfit.measuring.metrics import Figure as Figure
from rightfit.measuring.metrics import Metric as Metric
from rightfit.measuring.profile import Profile as Profile
from rightfit.measuring.serving import Serving as Serving
from rightfit.models.runtimes import Runtime as Runtime
from rightfit.ranking.applications.applications import Application as Application
from rightfit.ranking.applications.applications import Constraint as Constraint
from rightfit.ranking.applications.applications import Objective as Objective
from rightfit.ranking.explanation.decisions import Decision as Decision
from rightfit_kedro.opened_project import Project as Project
from rightfit_kedro.opened_project import open_project as open_project
from rightfit_search.api.estimators import RightfitClassifier as RightfitClassifier
from rightfit_search.api.estimators import RightfitRegressor as RightfitRegressor
from rightfit_search.api.fitted import FittedModel as FittedModel
from rightfit_search.api.search import search as search
from rightfit_search.api.search_result import SearchResult as SearchResult
from rightfit_search.families.family import Family as Family
from rightfit_search.searching.stopping_rules import StoppingRule as StoppingRule

__all__: list[str]
__version__: str

def __dir__() -> list[str]: ...
