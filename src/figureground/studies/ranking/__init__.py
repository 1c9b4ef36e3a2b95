"""Which of many photos show what is sought? Scores for all of them, and the first ones to look through."""

__all__ = ["RankOptions", "RankRecord", "Ranked", "RankingRecord", "measure_ranking", "rank_photos"]

from figureground.studies.ranking.measure import RankingRecord, measure_ranking
from figureground.studies.ranking.options import Ranked, RankOptions, RankRecord
from figureground.studies.ranking.rank import rank_photos
