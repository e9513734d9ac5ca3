"""The pages."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.page),
    path("rooms/<slug:room>/", views.said),
]
