"""rewrite/rules"""
