"""Families of libraries that are installed as extras: LightGBM, XGBoost, CatBoost."""
